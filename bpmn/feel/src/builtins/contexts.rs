//! Functions on contexts.

use super::{Args, Builtin, builtin};
use crate::Value;
use crate::eval::{Evaluator, Fault};
use crate::value::Entries;

pub(super) static TABLE: &[Builtin] = &[
    builtin("get value", &["context, key", "context, keys"], get_value),
    builtin("get entries", &["context"], get_entries),
    builtin("context", &["entries"], context),
    builtin("context put", &["context, key, value", "context, keys, value"], context_put),
    builtin("context merge", &["contexts..."], context_merge),
];

/// The names of a path: one, or a list of them.
fn path<'v>(evaluator: &mut Evaluator<'_>, args: Args<'v>) -> Result<Vec<&'v str>, Fault> {
    let names = args.list(1)?;
    evaluator.charge(names.len())?;
    let names: Option<Vec<&str>> = names.iter().map(Value::as_str).collect();
    names.filter(|names| !names.is_empty()).ok_or_else(|| Fault::null("the keys must be strings, at least one"))
}

fn get_value(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    args.context(0)?;
    let mut found = args.value(0);
    for name in path(evaluator, args)? {
        evaluator.charge_bytes(name.len() + 1)?;
        let entry = found.as_context().and_then(|entries| entries.get(name));
        found = entry.ok_or_else(|| Fault::null("there is no such entry in the context"))?;
    }
    Ok(found.clone())
}

fn get_entries(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let entries = args.context(0)?;
    evaluator.room_for_list(entries.len())?;
    let entry = |(name, value): (&String, &Value)| {
        let pair = [("key".to_owned(), Value::from(name.as_str())), ("value".to_owned(), value.clone())];
        Value::context(pair.into())
    };
    evaluator.charge_entries(entries)?;
    Ok(Value::list(entries.iter().map(entry).collect()))
}

/// What `get entries` takes apart.
fn context(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut made = Entries::new();
    for item in args.list(0)? {
        let pair = item.as_context().and_then(|pair| Some((pair.get("key")?.as_str()?, pair.get("value")?)));
        let Some((name, value)) = pair else {
            return Err(Fault::null("each entry must be a context of a string 'key' and a 'value'"));
        };
        evaluator.charge(2)?;
        evaluator.charge_bytes(name.len())?;
        made.insert(name.to_owned(), value.clone());
    }
    Ok(Value::context(made))
}

fn context_put(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut made = args.value(2).clone();
    let names = path(evaluator, args)?;
    // What is no context on the way is replaced by one.
    let mut around = vec![args.context(0)?.as_ref().clone()];
    for name in &names[..names.len() - 1] {
        let inner = around[around.len() - 1].get(*name).and_then(Value::as_context).cloned().unwrap_or_default();
        evaluator.charge_entries(&inner)?;
        around.push(inner);
    }
    evaluator.charge_entries(&around[0])?;
    for (name, mut entries) in names.iter().zip(around).rev() {
        evaluator.charge_bytes(name.len() + 1)?;
        entries.insert((*name).to_owned(), made);
        made = Value::context(entries);
    }
    Ok(made)
}

fn context_merge(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut merged = Entries::new();
    for item in args.items()? {
        let Value::Context(entries) = item else {
            return Err(Fault::Null(format!("only contexts can be merged, not {}", item.kind())));
        };
        evaluator.charge_entries(entries)?;
        merged.extend(entries.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(Value::context(merged))
}
