use super::named;

named! {
    /// Why staff look at who sees what of a record: codes of HL7's PurposeOfUse (v3 ActReason), which the audit trail carries on.
    ViewReason {
        /// They treat the patient: why an app is opened at work.
        Treatment = "TREAT",
        /// Whose record it is asked.
        PatientRequest = "PATRQT",
        /// A complaint, or a check that rules are kept.
        Compliance = "HCOMPL",
        /// A court or an authority asked.
        Legal = "HLEGAL",
        /// Somebody is to be let in, or no longer.
        Administration = "PATADMIN",
    }
}
