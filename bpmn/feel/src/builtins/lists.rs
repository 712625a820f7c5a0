//! Functions on lists. Positions count from one, negative ones from the end. Items are the same where FEEL's `=` says so.

use super::{Args, Builtin, builtin, sort};
use crate::Value;
use crate::eval::{Error, Evaluator, Fault, position_to_index};

/// Those that look at items take them as one list or as arguments.
pub(super) static TABLE: &[Builtin] = &[
    builtin("count", &["list"], |_, args| Ok(Value::from(args.list(0)?.len()))),
    builtin("all", &["list..."], |evaluator, args| junction(evaluator, args, false)),
    builtin("any", &["list..."], |evaluator, args| junction(evaluator, args, true)),
    builtin("is empty", &["list"], |_, args| Ok(Value::Boolean(args.list(0)?.is_empty()))),
    builtin("list contains", &["list, element"], list_contains),
    builtin("index of", &["list, match"], index_of),
    builtin("append", &["list, items...?"], append),
    builtin("concatenate", &["lists..."], concatenate),
    builtin("insert before", &["list, position, newItem"], insert_before),
    builtin("list replace", &["list, position, newItem", "list, match, newItem"], list_replace),
    builtin("remove", &["list, position"], remove),
    builtin("reverse", &["list"], reverse),
    builtin("sublist", &["list, start position, length?"], sublist),
    builtin("partition", &["list, size"], partition),
    builtin("flatten", &["list"], flatten),
    builtin("distinct values", &["list"], distinct_values),
    builtin("duplicate values", &["list"], duplicate_values),
    builtin("union", &["lists..."], union),
    builtin("sort", &["list, precedes"], sort::sort),
];

/// `all` (where false decides) and `any` (where true does): null if an item is no boolean and none decides.
pub(super) fn junction(evaluator: &mut Evaluator<'_>, args: Args<'_>, decisive: bool) -> Result<Value, Fault> {
    let items = args.items()?;
    evaluator.charge(items.len())?;
    if items.contains(&Value::Boolean(decisive)) {
        return Ok(Value::Boolean(decisive));
    }
    match items.iter().find(|item| item.as_bool().is_none()) {
        Some(other) => Err(Fault::Null(format!("the items must be booleans, not {}", other.kind()))),
        None => Ok(Value::Boolean(!decisive)),
    }
}

pub(super) fn list_contains(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let found = contains(evaluator, args.list(0)?, args.value(1))?;
    Ok(Value::Boolean(found))
}

/// The positions of all items that are equal to the value.
pub(super) fn index_of(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut positions = Vec::new();
    for (index, item) in args.list(0)?.iter().enumerate() {
        if evaluator.equal(item, args.value(1))? == Some(true) {
            positions.push(Value::from(index + 1));
        }
    }
    Ok(evaluator.list(positions)?)
}

pub(super) fn append(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    evaluator.room_for_list(items.len() + args.len())?;
    Ok(Value::list([items, &args.0[1..]].concat()))
}

pub(super) fn concatenate(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let lists = (0..args.len()).map(|at| args.list(at)).collect::<Result<Vec<_>, Fault>>()?;
    evaluator.room_for_list(lists.iter().map(|list| list.len()).sum())?;
    Ok(Value::list(lists.concat()))
}

/// `insert before(list, position, item)`
pub(super) fn insert_before(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    let index = index_within(args, items.len() + usize::from(args.integer(1)? > 0), items.len())?;
    evaluator.room_for_list(items.len() + 1)?;
    let mut items = items.to_vec();
    items.insert(index, args.value(2).clone());
    Ok(Value::list(items))
}

/// `remove(list, position)`
pub(super) fn remove(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    let index = index_within(args, items.len(), items.len())?;
    evaluator.room_for_list(items.len())?;
    let mut items = items.to_vec();
    items.remove(index);
    Ok(Value::list(items))
}

/// `list replace(list, position, item)`, or of all items for which a function of them and the new one is true.
pub(super) fn list_replace(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    if let Value::Function(matches) = args.value(1) {
        evaluator.room_for_list(items.len())?;
        let replaced = |item| Ok(if evaluator.holds(matches, [item, args.value(2)])? { args.value(2) } else { item }.clone());
        return Ok(Value::list(items.iter().map(replaced).collect::<Result<_, Fault>>()?));
    }
    let index = index_within(args, items.len(), items.len())?;
    evaluator.room_for_list(items.len())?;
    let mut items = items.to_vec();
    items[index] = args.value(2).clone();
    Ok(Value::list(items))
}

/// Lists of so many items, the last of what is left (Camunda 8).
pub(super) fn partition(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    let size = usize::try_from(args.integer(1)?).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| Fault::null("the size must be positive"))?;
    evaluator.room_for_list(items.len())?;
    Ok(evaluator.list(items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect())?)
}

pub(super) fn reverse(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    evaluator.room_for_list(items.len())?;
    Ok(Value::list(items.iter().rev().cloned().collect()))
}

/// `sublist(list, start position, length?)`
pub(super) fn sublist(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    let index = index_within(args, items.len(), items.len())?;
    let length = if args.value(2).is_null() { i64::MAX } else { args.integer(2)? };
    let length = usize::try_from(length).map_err(|_| Fault::null("the length must not be negative"))?;
    let part = &items[index..index.saturating_add(length).min(items.len())];
    evaluator.room_for_list(part.len())?;
    Ok(Value::list(part.to_vec()))
}

/// All items of lists within lists, at any depth, in their order.
pub(super) fn flatten(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut pending = vec![args.list(0)?.iter()];
    let mut flat = Vec::new();
    while let Some(items) = pending.last_mut() {
        evaluator.charge(1)?;
        match items.next() {
            Some(Value::List(inner)) => pending.push(inner.iter()),
            Some(item) => flat.push(item.clone()),
            None => drop(pending.pop()),
        }
    }
    Ok(evaluator.list(flat)?)
}

pub(super) fn distinct_values(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    Ok(distinct(evaluator, args.list(0)?.iter())?)
}

/// The items that are there more than once, each once (Camunda 8).
pub(super) fn duplicate_values(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    let mut kept = Vec::new();
    for (at, item) in items.iter().enumerate() {
        if contains(evaluator, &items[at + 1..], item)? && !contains(evaluator, &kept, item)? {
            kept.push(item.clone());
        }
    }
    Ok(evaluator.list(kept)?)
}

/// The items of all lists, each once.
pub(super) fn union(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let lists = (0..args.len()).map(|at| args.list(at)).collect::<Result<Vec<_>, Fault>>()?;
    Ok(distinct(evaluator, lists.into_iter().flatten())?)
}

fn distinct<'v>(evaluator: &mut Evaluator<'_>, items: impl Iterator<Item = &'v Value>) -> Result<Value, Error> {
    let mut kept = Vec::new();
    for item in items {
        if !contains(evaluator, &kept, item)? {
            kept.push(item.clone());
        }
    }
    evaluator.list(kept)
}

fn contains(evaluator: &mut Evaluator<'_>, items: &[Value], wanted: &Value) -> Result<bool, Error> {
    for item in items {
        if evaluator.equal(item, wanted)? == Some(true) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The index that the second argument means, if it is below the bound.
fn index_within(args: Args<'_>, bound: usize, length: usize) -> Result<usize, Fault> {
    let index = position_to_index(args.integer(1)?, length).filter(|index| *index < bound);
    index.ok_or_else(|| Fault::Null(format!("there is no such position, the list has {length} items")))
}
