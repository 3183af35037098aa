use http::{HeaderMap, header};

/// The bearer token of a request (RFC 6750 §2.1): in the `Authorization` header and nowhere else. Two such headers are
/// none, since nobody can say which one counts.
#[must_use]
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_with_the_right_scheme() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, value.parse().unwrap());
            }
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer x"]).as_deref(), Some("x"));
        assert_eq!(read(&["bearer  x"]).as_deref(), Some("x"));
        for bad in [&[][..], &["Bearer"], &["Bearer "], &["Basic x"], &["x"], &["Bearer x", "Bearer x"]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
