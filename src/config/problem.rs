//! What is wrong with a configuration, and where.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::field::{Field, Reading, UnknownMember};

/// One complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place in the file: `endpoints[2].authorizer.oidc.issuer`. Empty for the file as a whole.
    pub path: String,
    /// What is wrong there. One line, and never a secret.
    pub message: String,
}

/// All that is wrong with a configuration, in the order of the documentation's fields and of the file's lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    pub(super) fn of_the_whole(message: impl fmt::Display) -> Self {
        Self(vec![Problem {
            path: String::new(),
            message: message.to_string(),
        }])
    }

    /// The complaints.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// One line each.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Problems {}

/// Where complaints are gathered.
#[derive(Debug, Default)]
pub(crate) struct Report(RefCell<Vec<Problem>>);

/// A place in the file, at which one can complain.
#[derive(Clone, Debug)]
pub(crate) struct Place<'r> {
    report: &'r Report,
    path: String,
}

impl Report {
    /// The file as a whole.
    pub fn root(&self) -> Place<'_> {
        Place {
            report: self,
            path: String::new(),
        }
    }

    pub fn into_problems(self) -> Problems {
        Problems(self.0.into_inner())
    }
}

impl<'r> Place<'r> {
    /// The place of a member of the object that stands here.
    #[inline(never)]
    pub fn member(&self, name: &str) -> Self {
        let plain = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let step = match (plain, self.path.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!(".{name}"),
            (false, _) => format!("[{:?}]", shortened(name)),
        };
        Self {
            report: self.report,
            path: format!("{}{step}", self.path),
        }
    }

    /// The place of an element of the list that stands here.
    #[inline(never)]
    pub fn index(&self, index: usize) -> Self {
        Self {
            report: self.report,
            path: format!("{}[{index}]", self.path),
        }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Complains. Whatever a message quotes, it stays on its line.
    pub fn complain(&self, message: impl fmt::Display) {
        self.note(&message);
    }

    #[inline(never)]
    fn note(&self, message: &dyn fmt::Display) {
        let message = message.to_string().replace(char::is_control, "\u{fffd}");
        self.report.0.borrow_mut().push(Problem {
            path: self.path.clone(),
            message,
        });
    }

    #[inline(never)]
    fn complain_of(&self, unknown: &[UnknownMember]) {
        for member in unknown {
            self.member(&member.name).note(member);
        }
    }

    /// Takes what stands here, and complains about what is wrong with it or unknown in it.
    ///
    /// Never inlined: one copy for each type is enough, and there are as many callers as fields.
    #[inline(never)]
    pub fn read<T: DeserializeOwned>(&self, field: Field<T>) -> Option<T> {
        match field.read() {
            Reading::Absent => None,
            Reading::Bad(message) => {
                self.note(&message);
                None
            }
            Reading::Good { value, unknown } => {
                self.complain_of(&unknown);
                Some(value)
            }
        }
    }

    /// Takes what stands here through a room's own constructor, and complains as the room does.
    pub fn parse<T: DeserializeOwned, U, E: fmt::Display>(
        &self,
        field: Field<T>,
        parse: impl FnOnce(T) -> Result<U, E>,
    ) -> Option<U> {
        let parsed = parse(self.read(field)?);
        parsed.map_err(|error| self.complain(error)).ok()
    }

    /// The elements of the list that stands here, each with its place; `None` without a list. Each is read when its turn
    /// comes; one that cannot be is complained about and left out.
    pub fn list<T: DeserializeOwned>(
        &self,
        field: Field<Vec<Field<T>>>,
    ) -> Option<impl Iterator<Item = (Self, T)> + use<'r, T>> {
        let here = self.clone();
        let elements = self.read(field.elements())?.into_iter().enumerate();
        Some(elements.filter_map(move |(index, element)| {
            let place = here.index(index);
            let value = place.read(Field::written(element))?;
            Some((place, value))
        }))
    }

    /// The elements of the list that stands here, each through a room's own constructor; `None` if one of them, all of
    /// which are looked at, will not do.
    pub fn each<T: DeserializeOwned, U, E: fmt::Display>(
        &self,
        field: Field<Vec<Field<T>>>,
        mut parse: impl FnMut(T) -> Result<U, E>,
    ) -> Option<Vec<U>> {
        let elements = self.read(field.elements())?.into_iter().enumerate();
        let parsed: Vec<_> = elements
            .map(|(index, element)| {
                let element = Field::<T>::written(element);
                self.index(index).parse(element, &mut parse)
            })
            .collect();
        parsed.into_iter().collect()
    }

    /// The members of the object that stands here, each with its name and place; `None` without an object.
    pub fn members<T>(
        &self,
        field: Field<BTreeMap<String, Field<T>>>,
    ) -> Option<impl Iterator<Item = (Self, String, Field<T>)> + use<'r, T>> {
        let here = self.clone();
        let members = self.read(field.members())?.into_iter();
        Some(members.map(move |(name, value)| (here.member(&name), name, Field::written(value))))
    }

    /// A list as it is, unless it is empty, which would be as wrong as it is useless.
    pub fn filled<T>(
        &self,
        field: Field<Vec<Field<T>>>,
        instead: &str,
    ) -> Option<Field<Vec<Field<T>>>> {
        if matches!(&field, Field::Written(Value::Array(elements), _) if elements.is_empty()) {
            self.complain(format_args!("must not be empty; {instead}"));
            return None;
        }
        Some(field)
    }

    /// As [`list`](Self::list), of a list that must not be empty.
    pub fn filled_list<T: DeserializeOwned>(
        &self,
        field: Field<Vec<Field<T>>>,
        instead: &str,
    ) -> Option<impl Iterator<Item = (Self, T)> + use<'r, T>> {
        self.list(self.filled(field, instead)?)
    }
}

/// Nobody's field name is longer, and what is may have been meant to be something else.
fn shortened(name: &str) -> String {
    const MOST: usize = 64;
    let mut short: String = name.chars().take(MOST).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}
