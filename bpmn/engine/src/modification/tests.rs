//! Traces of modifications.

mod changes;
mod compensation;
mod crossing;
mod deferred;
mod several;

/// `u`, then two scopes, `p` with `a` and in it `q` with `b` and `c`, then `z`.
const NESTED: &str = "<startEvent id='s'/><userTask id='u'/><subProcess id='p'><startEvent id='ps'/><userTask id='a'/><subProcess id='q'>\
    <startEvent id='qs'/><userTask id='b'/><userTask id='c'/>{qs>b>c}</subProcess>{ps>a>q}</subProcess><userTask id='z'/>{s>u>p>z}";
