//! A text in the caller's memory. It does not use `core::fmt`, which needs more stack than the
//! library may use of a job's.

/// The digits of a number.
pub const DECIMAL: &str = "0123456789";
/// The digits of C's `%x`.
pub const HEX: &str = "0123456789abcdef";
/// The digits of C's `%X`.
pub const UPPER_HEX: &str = "0123456789ABCDEF";

/// A text of limited length. What does not fit is left out.
pub struct Text<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl<'a> Text<'a> {
    /// An empty text.
    pub fn new(room: &'a mut [u8]) -> Text<'a> {
        Text { room, length: 0 }
    }

    /// Adds a text, which must be ASCII.
    pub fn add(&mut self, text: &str) {
        let free = &mut self.room[self.length..];
        let count = text.len().min(free.len());
        free[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
    }

    /// Adds a number in these digits. It has at least `least` digits, with zeros in front.
    pub fn add_number(&mut self, number: usize, digits: &str, least: usize) {
        let base = digits.len();
        let mut place = 1;
        let mut rest = number / base;
        for _ in 1..least {
            place *= base;
            rest /= base;
        }
        while rest > 0 {
            place *= base;
            rest /= base;
        }
        while place > 0 {
            let digit = number / place % base;
            self.add(&digits[digit..=digit]);
            place /= base;
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.room[..self.length]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rules: B43, D22
    #[test]
    fn numbers_are_written_in_both_bases_and_with_as_many_digits_as_asked_for() {
        let mut room = [0; 512];
        let mut text = Text::new(&mut room);
        let numbers = [0, 9, 10, 16, 131_072, 0x3306_9042, usize::MAX];
        for number in numbers {
            text.add_number(number, DECIMAL, 1);
            text.add(" ");
            text.add_number(number, HEX, 1);
            text.add(" ");
            text.add_number(number, UPPER_HEX, 8);
            text.add("\n");
        }
        let expected: String = numbers
            .iter()
            .map(|number| format!("{number} {number:x} {number:08X}\n"))
            .collect();
        assert_eq!(text.as_str(), expected);
    }

    // Rules: B43
    #[test]
    fn a_text_ends_where_its_room_ends() {
        let mut room = [0; 25];
        let mut text = Text::new(&mut room);
        for _ in 0..100 {
            text.add("0123456789");
        }
        text.add_number(7, DECIMAL, 1);
        assert_eq!(text.as_str(), "0123456789012345678901234");
    }
}
