//! Asserts: what a policy must make of names, held to before it is put in force.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use serde::Deserialize;

use super::Text;
use crate::diagnostic::{Problems, Reader, nearest};
use crate::model::{DeviceId, DomainName, Moment, RecordType, Verdict};
use crate::policy::InForce;
use crate::rules::{Asker, Asking};

/// Words for verdicts.
const EXPECTATIONS: [&str; 5] = ["block", "allow", "none", "rewrite", "truncate"];

/// `[[assert]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AssertForm {
    device: Option<Text>,
    name: Text,
    #[serde(rename = "type")]
    query_type: Option<Text>,
    expect: Text,
}

/// One assert.
struct Assert {
    device: Option<String>,
    name: DomainName,
    query_type: RecordType,
    expect: String,
    span: Range<usize>,
}

/// The asserts of one file.
pub struct Asserts<'t> {
    file: &'t str,
    text: &'t str,
    asserts: Vec<Assert>,
}

/// A device that an assert names.
pub struct AssertedDevice {
    /// Its number.
    pub id: DeviceId,
    /// One of its addresses.
    pub address: IpAddr,
}

/// What asserts are held against.
pub struct AssertGround<'g> {
    /// The policy with its lists.
    pub in_force: &'g InForce,
    /// Finds devices by what people call them.
    pub device: &'g dyn Fn(&str) -> Option<AssertedDevice>,
    /// When.
    pub now: Moment,
}

impl<'t> Asserts<'t> {
    /// Reads asserts; `file` is the file's name for people.
    pub fn read(file: &'t str, text: &'t str) -> Result<Asserts<'t>, Problems> {
        let mut reader = Reader::new(file, text);
        let mut asserts = Vec::new();
        if let Some(root) = reader.root() {
            reader.refuse_unknown(&root, &["assert"]);
            for (span, form) in reader.array::<AssertForm>(&root, "assert") {
                asserts.extend(assert(&mut reader, span, &form));
            }
        }
        reader.finish()?;
        Ok(Asserts { file, text, asserts })
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.asserts.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.asserts.is_empty()
    }

    /// Holds a policy to them; the error shows all that fail.
    pub fn hold(&self, ground: &AssertGround<'_>) -> Result<(), Problems> {
        let mut reader = Reader::new(self.file, self.text);
        for assert in &self.asserts {
            if let Some(failure) = assert.failure(ground) {
                reader.problem(assert.span.clone(), &failure, None);
            }
        }
        reader.finish()
    }
}

/// Checks one form; what is wrong with it goes to the reader.
fn assert(reader: &mut Reader<'_>, span: Range<usize>, form: &AssertForm) -> Option<Assert> {
    let mut failed = false;
    let mut refuse = |text: &Text, why: String, help: Option<String>| {
        reader.problem(text.span(), &why, help);
        failed = true;
    };
    let name = DomainName::parse(form.name.get_ref());
    if let Err(why) = &name {
        refuse(&form.name, format!("`{}`: {why}", form.name.get_ref()), None);
    }
    let query_type = form.query_type.as_ref().map_or(Ok(RecordType::A), |text| {
        let read: Result<RecordType, String> = text.get_ref().parse();
        read.map_err(|why| refuse(text, why, None))
    });
    let expect = form.expect.get_ref();
    if !EXPECTATIONS.contains(&expect.as_str()) {
        let why = format!("`{expect}` is no verdict; write {}", EXPECTATIONS.join(", "));
        refuse(&form.expect, why, nearest(expect, EXPECTATIONS.iter().copied()));
    }
    let device = form.device.as_ref().map(|device| device.get_ref().clone());
    let (name, query_type) = (name.ok()?, query_type.ok()?);
    (!failed).then(|| Assert { device, name, query_type, expect: expect.clone(), span })
}

impl Assert {
    /// Returns how the policy fails it.
    fn failure(&self, ground: &AssertGround<'_>) -> Option<String> {
        let device = match &self.device {
            None => None,
            Some(name) => match (ground.device)(name) {
                Some(device) => Some(device),
                None => return Some(format!("there is no device `{name}`")),
            },
        };
        let verdict = self.verdict(ground, device.as_ref());
        let whom = self.device.as_ref().map(|name| format!(" for {name}")).unwrap_or_default();
        let Assert { name, query_type, expect, .. } = self;
        (verdict != expect)
            .then(|| format!("{name} {query_type}{whom}: the verdict is {verdict}, not {expect}"))
    }

    fn verdict(&self, ground: &AssertGround<'_>, device: Option<&AssertedDevice>) -> &'static str {
        let AssertGround { in_force, now, .. } = *ground;
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        // No device has this number, so that it stands for all that the policy does not name.
        let bound = in_force.policies.bound(device.map_or(DeviceId(u32::MAX), |device| device.id));
        let asker: Asker<'_> = bound.asker(device.map_or(nowhere, |device| device.address));
        let name = self.name.as_ref();
        let asking = Asking { name, query_type: self.query_type, asker };
        let hashes = in_force.hashes(name);
        let (decision, _) = in_force.judge(bound.policy, asking, &hashes, now);
        // A pause ends by itself: it says nothing of the policy.
        let is_off = decision.lifted && bound.policy.paused_until(now).is_none();
        match decision.verdict {
            _ if is_off => "none",
            Verdict::None => "none",
            Verdict::Allow(_) => "allow",
            Verdict::Block(_) => "block",
            Verdict::Rewrite(_) => "rewrite",
            Verdict::Truncate(_) => "truncate",
        }
    }
}
