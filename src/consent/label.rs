use super::words::by_name;
use crate::identity::named;

named! {
    /// What is sensitive about something: the codes below `_ActInformationSensitivityPolicy` of HL7 v3-ActCode that are
    /// about its content, and four of our own.
    Label {
        /// Substance use, alcohol among it.
        Eth = "ETH",
        /// Genetic disease.
        Gdis = "GDIS",
        /// HIV and AIDS.
        Hiv = "HIV",
        /// Military sexual trauma.
        Mst = "MST",
        /// Pregnancy.
        Pregnant = "PREGNANT",
        /// Sickle cell anaemia.
        Sca = "SCA",
        /// Sexual assault, abuse, domestic violence.
        Sdv = "SDV",
        /// Sexuality and reproductive health.
        Sex = "SEX",
        /// Specially protected information.
        Spi = "SPI",
        /// Behavioural health.
        Bh = "BH",
        /// Cognitive disability.
        Cogn = "COGN",
        /// Developmental disability.
        Dvd = "DVD",
        /// Emotional disturbance.
        Emotdis = "EMOTDIS",
        /// Mental health.
        Mh = "MH",
        /// Psychiatry.
        Psy = "PSY",
        /// Psychotherapy notes.
        Psythpn = "PSYTHPN",
        /// Substance use disorder.
        Sud = "SUD",
        /// Alcohol use disorder.
        Ethud = "ETHUD",
        /// Opioid use disorder.
        Opioidud = "OPIOIDUD",
        /// Sexually transmitted disease.
        Std = "STD",
        /// Taboo: not to be shown to the patient without leave.
        Tboo = "TBOO",
        /// Violence.
        Vio = "VIO",
        /// Identifier sensitivity.
        Ids = "IDS",
        /// Sickle cell.
        Sickle = "SICKLE",
        /// v3-Confidentiality R or V, set by the EHR.
        Restricted = "restricted",
        /// A clinician keeps it from those who act for a minor.
        ParentRestricted = "parent-restricted",
        /// Care that a minor got on their own consent, told by the department.
        MinorConsented = "minor-consented",
        /// A label that is not known here.
        Unknown = "unknown",
    }
}
by_name!(Label);

/// A set of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(u32);

impl Label {
    const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Whether it says what the content is, so that a grant may show or leave it out; the others say who decided.
    #[must_use]
    pub const fn is_content(self) -> bool {
        !matches!(self, Self::Restricted | Self::ParentRestricted)
    }
}

impl Labels {
    /// None.
    pub const NONE: Self = Self(0);

    /// All labels of content.
    #[must_use]
    pub fn content() -> Self {
        Label::ALL.iter().copied().filter(|label| label.is_content()).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, label: Label) -> bool {
        self.0 & label.bit() != 0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that the other has not.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Each of them.
    pub fn each(self) -> impl Iterator<Item = Label> {
        Label::ALL.iter().copied().filter(move |label| self.has(*label))
    }

    /// As one number, for what is kept by it.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl FromIterator<Label> for Labels {
    fn from_iter<T: IntoIterator<Item = Label>>(labels: T) -> Self {
        Self(labels.into_iter().fold(0, |bits, label| bits | label.bit()))
    }
}

impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.each())
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Label>::deserialize(deserializer)?.into_iter().collect())
    }
}
