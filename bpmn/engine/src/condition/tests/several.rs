//! Traces of several conditions that are waited for at once.

use expect_test::expect;

use super::condition;
use crate::testing::check;

#[test]
fn gateway_asks_its_conditions_when_it_is_entered_and_when_a_variable_changes() {
    let model = format!(
        "<startEvent id='s'/><eventBasedGateway id='g'/><intermediateCatchEvent id='c'>{}</intermediateCatchEvent><intermediateCatchEvent id='d'>{}\
         </intermediateCatchEvent><intermediateCatchEvent id='m'><messageEventDefinition messageRef='msg'/></intermediateCatchEvent><userTask id='u'/>\
         {{s>g}}{{g>m>u}}{{g>c>u}}{{g>d>u}}",
        condition("", "= n > 2"),
        condition("", "= n > 1")
    );
    check(
        &model,
        r#"start {"n": 2}"#,
        expect![[r#"
        > start {"n": 2}
          started at s
          n = 2
          + s #2
          - #2
          + g #3
          subscription m !4 'paid'
          condition c !5
          condition d !6
          subscription !6 gone
          subscription !4 gone
          subscription !5 gone
          - #3 canceled
          + d #7
          - #7
          + u #8
          task u !9 of nobody users [] groups []
    "#]],
    );
    check(
        &model,
        r#"
            start {"n": 1}
            leaves
            set {"n": 3}
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + g #3
              subscription m !4 'paid'
              condition c !5
              condition d !6
            > leaves
              g #3: the first of m, c, d
            > set {"n": 3}
              n = 3
              subscription !5 gone
              subscription !4 gone
              subscription !6 gone
              - #3 canceled
              + c #7
              - #7
              + u #8
              task u !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn two_events_of_a_scope_may_wait_for_one_condition() {
    let model = |first: &str| {
        format!(
            "<startEvent id='s'/><userTask id='u'/>{{s>u}}<boundaryEvent id='a' attachedToRef='u'{first}><conditionalEventDefinition><condition>= n > 0\
             </condition></conditionalEventDefinition></boundaryEvent><boundaryEvent id='b' attachedToRef='u' cancelActivity='false'>\
             <conditionalEventDefinition camunda:variableName='n'><condition>= n > 0</condition></conditionalEventDefinition></boundaryEvent>"
        )
    };
    check(
        &model(" cancelActivity='false'"),
        r#"
            start
            put #1 {"n": 1}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              condition a !4
              condition b !5
              task u !6 of nobody users [] groups []
            > put #1 {"n": 1}
              n = 1
              + a #7
              - #7
              + b #8
              - #8
        "#]],
    );
    check(
        &model(""),
        r#"
            start
            put #1 {"n": 1}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              condition a !4
              condition b !5
              task u !6 of nobody users [] groups []
            > put #1 {"n": 1}
              n = 1
              subscription !4 gone
              subscription !5 gone
              task !6 gone
              - #3 canceled
              + a #7
              - #7
              ended: Completed
              end
        "#]],
    );
}
