//! The allowed forms of properties, as data: the one source for reading, for error texts, and for
//! documentation.
//!
//! `structure!` declares a structure once. It makes the type that later code uses, and the
//! [`Shape`] that reads its value.

/// The form of a value.
#[derive(Debug)]
pub enum Shape {
    /// A text of `min` to `max` characters.
    Text {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: usize,
    },
    /// A whole number, native or as a string.
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
    },
    /// true, false, yes or no in any case, native or as a string.
    Boolean,
    /// From `min` to `max` values of one shape.
    List {
        /// The shape of each.
        of: &'static Self,
        /// Fewest elements.
        min: usize,
        /// Most elements.
        max: usize,
    },
    /// An object with exactly these fields.
    Object(&'static [Field]),
    /// Any JSON; nothing reads it.
    Anything,
}

/// One field of an object.
#[derive(Debug)]
pub struct Field {
    /// The name that ECS receives. In ECS's structures a template may also use the other case of
    /// its first letter.
    pub name: &'static str,
    /// The form of its value, and the rule for its absence.
    pub rule: Rule,
    /// Its purpose, in a sentence or two.
    pub doc: &'static str,
}

/// A shape, and the rule for an absent value.
#[derive(Debug)]
pub struct Rule {
    /// The form of the value.
    pub shape: Shape,
    /// The rule for an absent value.
    pub absent: Absent,
}

/// The rules for an absent value.
#[derive(Debug)]
pub enum Absent {
    /// Its absence is an error.
    Refused,
    /// Nothing is set and nothing is sent.
    Nothing,
    /// This text stands for it.
    Default(&'static str),
}

impl Rule {
    /// A value that must be present.
    pub const fn required(shape: Shape) -> Self {
        Self {
            shape,
            absent: Absent::Refused,
        }
    }

    /// A value that may be absent.
    pub const fn optional(shape: Shape) -> Self {
        Self {
            shape,
            absent: Absent::Nothing,
        }
    }

    /// A value that is `text` if it is absent.
    pub const fn or(text: &'static str, shape: Shape) -> Self {
        Self {
            shape,
            absent: Absent::Default(text),
        }
    }
}

impl Field {
    /// The field's name in its other spelling: `ContainerOverrides` for `containerOverrides`.
    pub fn other_spelling(&self) -> String {
        let mut chars = self.name.chars();
        let Some(first) = chars.next() else {
            return String::new();
        };
        let flip = if first.is_ascii_uppercase() {
            char::to_ascii_lowercase
        } else {
            char::to_ascii_uppercase
        };
        std::iter::once(flip(&first)).chain(chars).collect()
    }
}

impl Shape {
    /// Any text, the empty one included.
    pub const TEXT: Self = Self::Text {
        min: 0,
        max: usize::MAX,
    };
    /// A text that is not empty.
    pub const NAME: Self = Self::Text {
        min: 1,
        max: usize::MAX,
    };
    /// Any number of texts.
    pub const TEXTS: Self = Self::List {
        of: &Self::TEXT,
        min: 0,
        max: usize::MAX,
    };
    /// A whole number that only ECS limits.
    pub const NUMBER: Self = Self::Integer {
        min: 0,
        max: i32::MAX as i64,
    };

    /// A whole number from `min` to `max`.
    pub const fn integer(min: i64, max: i64) -> Self {
        Self::Integer { min, max }
    }

    /// At most `max` of another shape.
    pub const fn list(of: &'static Self, max: usize) -> Self {
        Self::List { of, min: 0, max }
    }

    /// At least one and at most `max` of another shape.
    pub const fn filled_list(of: &'static Self, max: usize) -> Self {
        Self::List { of, min: 1, max }
    }
}

/// Declares a structure from one list of fields: its type, and the [`Shape`] that reads its value.
macro_rules! structure {
    ($(#[$meta:meta])* $name:ident {
        $($(#[doc = $doc:literal])* $wire:literal $field:ident: $type:ty = $rule:expr;)*
    }) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, serde::Deserialize)]
        pub struct $name {
            $($(#[doc = $doc])* #[serde(rename = $wire, default)] pub $field: $type,)*
        }

        impl $name {
            /// The shape that reads this structure.
            pub const SHAPE: Shape =
                Shape::Object(&[$(Field { name: $wire, rule: $rule, doc: concat!($($doc),*) }),*]);
        }
    };
}

pub(super) use structure;
