//! What is wrong with a template, and where.

use std::fmt;

/// What is wrong with a template or with the values that it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct TemplateError {
    /// The line, from 1; none where it is not the template's fault.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Everything that is wrong, so that one run shows it all.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct TemplateErrors(pub Vec<TemplateError>);

impl TemplateError {
    pub(super) fn given(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }
}

impl TemplateErrors {
    /// Takes the value of a result, or its errors. None for an error, and for one that is known already.
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

    /// Adds an error, once.
    pub fn add(&mut self, error: TemplateError) {
        if !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    /// The value, where nothing is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
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
