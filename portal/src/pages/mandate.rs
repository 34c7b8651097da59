//! For whom a page is used, when it is not for oneself (A5).

/// A proxy, as its holder's pages say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    /// First and last name of the intern.
    pub principal: String,
    /// What they asked for, in their own words; may be empty.
    pub instructions: String,
    /// Whether it is there.
    pub document: SignedDocument,
}

/// The signed document of a proxy (3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedDocument {
    /// This amphi asks for none.
    NotNeeded,
    /// It has to be filed before the choice.
    Missing,
    /// It is there.
    Filed,
}

impl Mandate {
    /// Whether something has to be filed before the choice.
    pub(super) fn document_is_missing(&self) -> bool {
        self.document == SignedDocument::Missing
    }

    /// Whether a document may be filed: the compulsory one, or a better one.
    pub(super) fn takes_document(&self) -> bool {
        self.document != SignedDocument::NotNeeded
    }
}
