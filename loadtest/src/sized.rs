//! How large a run is: small, to see that everything works, or with `--full` of the size that the goals name.

/// What was asked for by an option of its own, else the small or the full size.
pub fn sized<T>(asked: Option<T>, is_full: bool, small: T, full: T) -> T {
    asked.unwrap_or(if is_full { full } else { small })
}
