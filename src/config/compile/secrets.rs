//! Secrets: texts, and where they stand.

use super::Workshop;
use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw;
use crate::secret::Secret;
use crate::upstream::CredentialError;

impl Workshop<'_> {
    /// A secret, and the place that says what it is.
    pub(super) fn secret<'p>(
        &self,
        raw: Field<raw::SecretText>,
        here: &Place<'p>,
    ) -> Option<(Place<'p>, Secret)> {
        match here.read(raw)? {
            raw::SecretText::Written(raw::Hidden(text)) => Some((here.clone(), text)),
            raw::SecretText::Variable(variable) => {
                let place = here.member("env");
                let value = place.parse(here.read(variable)?.env, |name| {
                    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b'=') {
                        return Err("must be the name of an environment variable".to_owned());
                    }
                    let value = self.environment.var(&name);
                    value.ok_or_else(|| {
                        format!("{name} is not set in the VM's environment (`vm_config.environment_variables`)")
                    })
                });
                Some((place, Secret::new(value?)))
            }
        }
    }

    /// A secret that is sent somewhere, if it is fit for that. A line break at its end is that of the file which it came
    /// from.
    pub(super) fn sent_secret(
        &self,
        raw: Field<raw::SecretText>,
        here: &Place<'_>,
        fit: fn(Secret) -> Result<Secret, CredentialError>,
    ) -> Option<Secret> {
        let (place, secret) = self.secret(raw, here)?;
        fit(without_line_break(secret))
            .map_err(|error| place.complain(error))
            .ok()
    }
}

fn without_line_break(secret: Secret) -> Secret {
    let text = secret.reveal();
    let line = text.strip_suffix('\n');
    match line.map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        Some(line) => Secret::new(line.to_owned()),
        None => secret,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upc_04_one_line_break_at_the_end_is_not_part_of_a_secret() {
        for (text, expected) in [
            ("sk", "sk"),
            ("sk\n", "sk"),
            ("sk\r\n", "sk"),
            ("sk\n\n", "sk\n"),
            ("sk\r", "sk\r"),
            ("\nsk", "\nsk"),
            ("sk ", "sk "),
            ("\n", ""),
        ] {
            let secret = without_line_break(Secret::new(text.to_owned()));
            assert_eq!(secret.reveal(), expected, "{text:?}");
        }
    }
}
