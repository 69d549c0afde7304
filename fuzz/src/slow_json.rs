//! RFC 8259, a character at a time, and strictly: the second opinion about what is JSON with one meaning.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

/// How deep `serde_json` goes before it gives up.
const MAX_DEPTH: usize = 127;

/// The one value that the bytes are, if they are one: UTF-8, nothing before or after but white space, no member named twice,
/// no number beyond a double.
pub fn read(bytes: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader {
        chars: text.chars().collect(),
        at: 0,
    };
    let value = reader.value(0)?;
    reader.blank();
    (reader.at == reader.chars.len()).then_some(value)
}

/// Equal, but for the last digits of a double: `serde_json` rounds those quickly, not rightly.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => same_members(one, other),
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (
                one.as_f64().unwrap_or_default(),
                other.as_f64().unwrap_or_default(),
            );
            let signs = one.is_sign_negative() == other.is_sign_negative();
            signs && one.to_bits().abs_diff(other.to_bits()) < 4
        }
        (one, other) => one == other,
    }
}

/// The same of objects.
pub fn same_members(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let mut members = one.iter();
    one.len() == other.len()
        && members.all(|(name, one)| other.get(name).is_some_and(|other| same(one, other)))
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.chars.get(self.at - 1).copied()
    }

    fn take(&mut self, expected: &str) -> Option<()> {
        expected
            .chars()
            .all(|c| self.next() == Some(c))
            .then_some(())
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.blank();
        match self.peek()? {
            '{' | '[' if depth == MAX_DEPTH => None,
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string().map(Value::String),
            't' => self.take("true").map(|()| true.into()),
            'f' => self.take("false").map(|()| false.into()),
            'n' => self.take("null").map(|()| Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut members = BTreeMap::new();
        self.take("{")?;
        self.blank();
        if self.peek()? == '}' {
            self.at += 1;
            return Some(Value::Object(Map::new()));
        }
        loop {
            self.blank();
            let name = self.string()?;
            self.blank();
            self.take(":")?;
            let value = self.value(depth + 1)?;
            if members.insert(name, value).is_some() {
                return None;
            }
            self.blank();
            match self.next()? {
                ',' => {}
                '}' => return Some(Value::Object(members.into_iter().collect())),
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let mut elements = Vec::new();
        self.take("[")?;
        self.blank();
        if self.peek()? == ']' {
            self.at += 1;
            return Some(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.blank();
            match self.next()? {
                ',' => {}
                ']' => return Some(Value::Array(elements)),
                _ => return None,
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.take("\"")?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Some(text),
                '\\' => text.push(self.escaped()?),
                c if c < ' ' => return None,
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.next()? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => match self.unit()? {
                high @ 0xd800..0xdc00 => {
                    self.take("\\u")?;
                    let low = self.unit().filter(|low| (0xdc00..0xe000).contains(low))?;
                    char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))?
                }
                other => char::from_u32(other)?,
            },
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit * 16 + self.next()?.to_digit(16)?))
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        if self.peek()? == '-' {
            self.at += 1;
        }
        if self.peek()? == '0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let whole = self.at;
        if self.peek() == Some('.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text: String = self.chars[start..self.at].iter().collect();
        let integer = (whole == self.at && text != "-0").then_some(text.as_str());
        if let Some(number) = integer.and_then(|text| text.parse::<u64>().ok()) {
            return Some(number.into());
        }
        if let Some(number) = integer.and_then(|text| text.parse::<i64>().ok()) {
            return Some(number.into());
        }
        Number::from_f64(text.parse().ok()?).map(Value::Number)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}
