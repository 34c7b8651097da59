//! E-mail addresses: one spelling each, and only those a convocation can be sent to.
//!
//! Invariant: two rows have the same address if and only if the texts given out here are equal.
//! Deliberately absent: quoted local parts, addresses by IP, accents (servers that take them are so
//! rare that an accent is a typing error), and any look at the network.

/// Longest address a mail server must take (RFC 5321).
const MAX_ADDRESS_CHARS: usize = 254;

/// Longest part before the `@` (RFC 5321).
const MAX_LOCAL_CHARS: usize = 64;

/// Longest label of a domain name (RFC 1035).
const MAX_LABEL_CHARS: usize = 63;

/// The address in lower case, or why it is not one; the text is already clean.
pub(crate) fn normalise(text: &str) -> Result<String, &'static str> {
    let address = text.to_lowercase();
    let count = address.matches('@').count();
    if count > 1 {
        return Err("contient plusieurs adresses ou plusieurs « @ »");
    }
    if address.contains([' ', ';', ',', '<', '>']) {
        return Err("contient une espace ou un signe interdit");
    }
    if address.starts_with("mailto:") {
        return Err("commence par « mailto: »");
    }
    if !address.is_ascii() {
        return Err("contient un accent ou un caractère non admis");
    }
    if address.len() > MAX_ADDRESS_CHARS {
        return Err("est trop longue pour une adresse");
    }
    let Some((local, domain)) = address.split_once('@') else {
        return Err("n'est pas une adresse e-mail (pas de « @ »)");
    };
    if !is_local_part(local) {
        return Err("n'est pas une adresse e-mail (avant le « @ »)");
    }
    if !is_domain(domain) {
        return Err("n'est pas une adresse e-mail (après le « @ »)");
    }
    Ok(address)
}

fn is_local_part(local: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
    (1..=MAX_LOCAL_CHARS).contains(&local.len())
        && local.bytes().all(allowed)
        && local.split('.').all(|atom| !atom.is_empty())
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        (1..=MAX_LABEL_CHARS).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let Some((_, last)) = domain.rsplit_once('.') else {
        return false;
    };
    domain.split('.').all(is_label) && last.len() >= 2 && last.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn addresses_that_work() {
        for (text, expected) in [
            ("Helene.ANDRE@Exemple.FR", "helene.andre@exemple.fr"),
            ("o'brien+amphi@chu-lille.fr", "o'brien+amphi@chu-lille.fr"),
            ("a@b.co", "a@b.co"),
            ("x@xn--hpital-6wa.fr", "x@xn--hpital-6wa.fr"),
        ] {
            assert_eq!(normalise(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn addresses_that_do_not() {
        let long = format!("{}@exemple.fr", "a".repeat(65));
        for text in [
            "helene",
            "helene@",
            "@exemple.fr",
            "helene@exemple",
            "helene@exemple.f",
            "helene@exemple..fr",
            "helene@-exemple.fr",
            "helene@exemple.fr.",
            ".helene@exemple.fr",
            "he..lene@exemple.fr",
            "helene andre@exemple.fr",
            "helene@exemple.fr;h@exemple.fr",
            "a@b.fr h@exemple.fr",
            "Hélène <helene@exemple.fr>",
            "hélène@exemple.fr",
            "mailto:helene@exemple.fr",
            "helene@192.168.0.1",
            &long,
        ] {
            assert!(normalise(text).is_err(), "{text}");
        }
    }
}
