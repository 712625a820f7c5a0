//! What the checks of an upload have to say.

use super::Problem;

/// As many errors, and as many warnings, are told of one upload, however many files it has: who has more than that to read is helped by
/// none of them, and a hostile upload must not make an answer of gigabytes. As many as of one model.
pub(crate) const MAX_OF_A_SEVERITY: usize = 1_000;

/// The problems of an upload, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    errors_left_out: bool,
    warnings_left_out: bool,
}

impl Problems {
    /// Notes one, or that there are more.
    pub(crate) fn push(&mut self, problem: Problem) {
        let (list, left_out) = if problem.is_error {
            (&mut self.errors, &mut self.errors_left_out)
        } else {
            (&mut self.warnings, &mut self.warnings_left_out)
        };
        if list.len() < MAX_OF_A_SEVERITY {
            list.push(problem);
        } else {
            *left_out = true;
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Whether no further error would be told.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_OF_A_SEVERITY
    }

    /// Notes that not everything was looked at.
    pub(crate) fn leave_out_errors(&mut self) {
        self.errors_left_out = true;
    }

    /// Notes what was found of one file, in the order of the file.
    pub(crate) fn append_sorted(&mut self, of_file: Self) {
        let (mut errors, mut warnings) = (of_file.errors, of_file.warnings);
        for list in [&mut errors, &mut warnings] {
            list.sort_by_key(|problem| (problem.line, problem.column));
        }
        self.errors_left_out |= of_file.errors_left_out;
        self.warnings_left_out |= of_file.warnings_left_out;
        self.extend(errors.into_iter().chain(warnings));
    }

    /// The errors and the warnings, each with a last one where there are more.
    pub(crate) fn into_lists(mut self) -> (Vec<Problem>, Vec<Problem>) {
        let more = |what| {
            Problem::error(
                "upload",
                format!("may have more {what} than the {MAX_OF_A_SEVERITY} that are shown"),
                "correct what is shown, then check again",
            )
        };
        if self.errors_left_out {
            self.errors.push(more("errors"));
        }
        if self.warnings_left_out {
            self.warnings.push(Problem { is_error: false, ..more("warnings") });
        }
        (self.errors, self.warnings)
    }
}

impl Extend<Problem> for Problems {
    fn extend<T: IntoIterator<Item = Problem>>(&mut self, problems: T) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}
