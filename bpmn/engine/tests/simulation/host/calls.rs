//! Calls: what the host answers for a called instance, and for whoever has called this one.

use super::*;

impl Host<'_> {
    /// What a called instance says: as a rule the next thing, now and then one that was heard or comes too soon.
    pub(super) fn news(&mut self, wait: WaitId, variables: Variables) -> Input {
        let next = self.rows.calls.get(&wait).map_or(1, |heard| heard + 1);
        let number = match self.random.below(8) {
            0 => next - 1,
            1 => next + 1,
            _ => next,
        };
        let catches = self.catches.get(&wait).cloned().unwrap_or_default();
        let news = match (self.random.below(8), self.random.pick(&catches)) {
            (0, _) => News::Deleted { reason: None },
            (1..=4, Some(Catch { kind: CatchKind::Error, code })) => {
                News::Error { code: code.clone().unwrap_or_else(|| "E1".into()), message: None }
            }
            (1..=4, Some(Catch { kind: CatchKind::Escalation { interrupting }, code })) => {
                // Another one that is nearer may catch the same code and be of the other kind.
                let first = |it: &&Catch| matches!(it.kind, CatchKind::Escalation { .. }) && (it.code.is_none() || it.code == *code);
                let first = catches.iter().find(first).map_or(*interrupting, |it| it.kind == CatchKind::Escalation { interrupting: true });
                News::Escalation { code: code.clone(), ended: first }
            }
            _ => News::Completed,
        };
        let chain = Chain::deferred_if(self.random.one_in(4));
        called(wait, number, news, variables, chain)
    }

    /// What the rows must show when an input of a call is taken.
    pub(super) fn hear(&mut self, input: &Input) {
        match input {
            Input::Called { wait, report, .. } => {
                let heard = self.rows.calls.insert(*wait, report.number);
                self.heard += 1;
                assert_eq!(heard, Some(report.number - 1), "a report is heard once, and in its turn");
                if report.news.is_last() {
                    self.rows.calls.remove(wait);
                }
            }
            Input::EndCalled { .. } => self.ended_by_caller = true,
            _ => {}
        }
    }
}

/// Whoever called an instance, and what that catches.
pub(super) fn caller(random: &mut Random) -> Caller {
    let instance = InstanceId(Uuid::from_u128(u128::MAX));
    let all = [
        Catch { kind: CatchKind::Error, code: Some("E1".into()) },
        Catch { kind: CatchKind::Escalation { interrupting: random.one_in(2) }, code: Some("X1".into()) },
        Catch { kind: CatchKind::Error, code: None },
        Catch {
            kind: [
                CatchKind::Escalation { interrupting: true },
                CatchKind::Escalation { interrupting: false },
                CatchKind::EscalationOfSeveral,
            ][random.below(3)],
            code: None,
        },
    ];
    let catches = all.into_iter().filter(|_| random.one_in(3)).collect();
    Caller { instance, wait: WaitId(1), root: instance, depth: 1, catches }
}

pub(super) fn called(wait: WaitId, number: u64, news: News, variables: Variables, chain: Chain) -> Input {
    Input::Called { wait, report: Box::new(Report { number, news, variables }), chain }
}
