//! Errors in a template, with their lines.

use std::fmt;

/// An error in a template or in the given values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct TemplateError {
    /// The line, from 1; `None` if the template is not at fault.
    pub line: Option<usize>,
    /// The problem, and the next step.
    pub message: String,
}

/// All errors in a template, so that one run shows them all.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct TemplateErrors(pub Vec<TemplateError>);

impl TemplateError {
    pub(super) fn given(message: impl Into<String>) -> Self {
        Self {
            line: None,
            message: message.into(),
        }
    }
}

impl TemplateErrors {
    /// Returns the value of a result, or adds its errors and returns `None`.
    pub fn take<T, E: Into<Self>>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(errors) => {
                for error in errors.into().0 {
                    self.add(error);
                }
                None
            }
        }
    }

    /// Adds an error, unless it is known.
    pub fn add(&mut self, error: TemplateError) {
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// The value if there is no error.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }
}

impl From<TemplateError> for TemplateErrors {
    fn from(error: TemplateError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Display for TemplateErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(TemplateError::to_string).collect();
        f.write_str(&lines.join("; "))
    }
}
