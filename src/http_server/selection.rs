//! What people call a device, a group or a company, as the one thing they mean.

use std::net::IpAddr;

use super::{App, Snapshot, bounded};
use crate::api::{ProblemDocument, ProblemKind, ScopeChoice};
use crate::devices::Device;
use crate::diagnostic::nearest;
use crate::model::{Company, DeviceId, DeviceName, GroupName, HardwareAddress, Scope};

/// The most candidates that a problem names.
const MAX_CANDIDATES: usize = 10;

/// Finds whom a change is for. A device that nobody named goes by its address.
pub fn find_scope(app: &App, choice: ScopeChoice) -> Result<Scope, ProblemDocument> {
    let snapshot = Snapshot::of(app);
    let text = match choice {
        ScopeChoice::Everyone => return Ok(Scope::Everyone),
        ScopeChoice::Group(text) => return find_group(&text, snapshot.groups()).map(Scope::Group),
        ScopeChoice::Named(text) => match named_scope(&text, &snapshot) {
            Some(scope) => return Ok(scope),
            None => text,
        },
        ScopeChoice::Device(text) => text,
    };
    let text = bounded("device", text)?;
    let identify = |address| app.parts.devices.identify(address).map(|binding| binding.device);
    let device = find_device(&text, &snapshot.devices, identify)?;
    let name = DeviceName::parse(&device.key);
    name.map(Scope::Device).map_err(|why| ProblemDocument::new(ProblemKind::Internal, why))
}

fn named_scope(text: &str, snapshot: &Snapshot) -> Option<Scope> {
    if text.eq_ignore_ascii_case("everyone") {
        return Some(Scope::Everyone);
    }
    find_group(text, snapshot.groups()).ok().map(Scope::Group)
}

/// Finds a group by its whole name, whatever its case.
pub fn find_group<'g>(
    text: &str,
    groups: impl Iterator<Item = &'g GroupName> + Clone,
) -> Result<GroupName, ProblemDocument> {
    let wanted = text.to_lowercase();
    if let Some(group) = groups.clone().find(|group| group.as_str().to_lowercase() == wanted) {
        return Ok(group.clone());
    }
    let candidates: Vec<String> = groups.map(GroupName::to_string).take(MAX_CANDIDATES).collect();
    let none = candidates.is_empty();
    let problem = not_found("group", text, candidates);
    Err(if none {
        problem.hint("there are no groups; [[group]] in policy.toml makes one")
    } else {
        problem
    })
}

/// Finds a device by name, number, hardware address or part of its name, in this order; a name in
/// the same case stands before one in another, and an address before all but a name of the policy.
pub fn find_device<'d>(
    text: &str,
    devices: &'d [Device],
    identify: impl Fn(IpAddr) -> Option<DeviceId>,
) -> Result<&'d Device, ProblemDocument> {
    let wanted = text.trim().to_lowercase();
    let by_id =
        |id: DeviceId| devices.iter().find(|device| device.id == id || device.parts.contains(&id));
    let same = || {
        let by_name = devices.iter().find(|device| device.name == text.trim());
        by_name.or_else(|| devices.iter().find(|d| !d.key.is_empty() && d.key == text.trim()))
    };
    let exact = same().or_else(|| {
        let mut named = devices.iter().filter(|device| device.name.to_lowercase() == wanted);
        named.next().filter(|_| named.next().is_none())
    });
    let numbered = || wanted.parse().ok().and_then(|id| by_id(DeviceId(id)));
    let addressed = || {
        let address: IpAddr = wanted.parse().ok()?;
        let bound = devices.iter().find(|device| device.addresses.contains(&address));
        bound.or_else(|| identify(address).and_then(by_id))
    };
    let by_hardware = || {
        let hardware: HardwareAddress = wanted.parse().ok()?;
        devices.iter().find(|device| device.hardware.contains(&hardware))
    };
    // An address is whose it is now; devices that nobody named may be called by one they had.
    let now = addressed().filter(|_| exact.is_none_or(|device| !device.named));
    let found = now.or(exact).or_else(numbered).or_else(by_hardware);
    if let Some(device) = found {
        return Ok(device);
    }
    let partly =
        |device: &&Device| !wanted.is_empty() && device.name.to_lowercase().contains(&wanted);
    let found: Vec<&Device> = devices.iter().filter(partly).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => Err(unknown_device(text, devices)),
        several => {
            let candidates = several.iter().map(|device| device_label(device));
            Err(ambiguous("devices", text, candidates.collect()).field("device"))
        }
    }
}

/// Finds a company by short name, name or part of its name, in this order.
pub fn find_company<'c>(
    text: &str,
    companies: &'c [Company],
) -> Result<&'c Company, ProblemDocument> {
    let wanted = text.trim().to_lowercase();
    let exact = companies
        .iter()
        .find(|company| company.slug == wanted)
        .or_else(|| companies.iter().find(|company| company.name.to_lowercase() == wanted));
    if let Some(company) = exact {
        return Ok(company);
    }
    let partly =
        |company: &&Company| !wanted.is_empty() && company.name.to_lowercase().contains(&wanted);
    let found: Vec<&Company> = companies.iter().filter(partly).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let like = nearest(&wanted, companies.iter().map(|company| company.slug.as_str()));
            let hint = like.unwrap_or_else(|| "`deadpixel companies --all` lists them".into());
            Err(not_found("company", text, Vec::new()).hint(hint))
        }
        several => {
            let label = |company: &&Company| format!("{} ({})", company.slug, company.name);
            let candidates = several.iter().map(label);
            Err(ambiguous("companies", text, candidates.collect()).field("company"))
        }
    }
}

fn device_label(device: &Device) -> String {
    match device.addresses.first() {
        Some(address) if device.named => format!("{} ({address})", device.name),
        _ => device.name.clone(),
    }
}

fn not_found(what: &str, text: &str, candidates: Vec<String>) -> ProblemDocument {
    ProblemDocument::new(ProblemKind::NotFound, format!("no {what} is called `{text}`"))
        .field(what)
        .candidates(candidates)
}

/// Names what may be meant: a name much like it, else those that people gave.
fn unknown_device(text: &str, devices: &[Device]) -> ProblemDocument {
    if text.trim().parse::<HardwareAddress>().is_ok() {
        let detail = format!("no device is known by the hardware address `{}`", text.trim());
        return ProblemDocument::new(ProblemKind::NotFound, detail)
            .field("device")
            .hint("`deadpixel devices` lists those that asked");
    }
    if text.trim().parse::<IpAddr>().is_ok() {
        let detail = format!("no device is known by the address `{}`", text.trim());
        return ProblemDocument::new(ProblemKind::NotFound, detail)
            .field("device")
            .hint("`deadpixel devices` lists those that asked; [[device]] in policy.toml names one beforehand");
    }
    let names = devices.iter().filter(|device| device.named).map(|device| device.name.as_str());
    if let Some(hint) = nearest(text, names.clone()) {
        return not_found("device", text, Vec::new()).hint(hint);
    }
    let candidates = names.map(String::from).take(MAX_CANDIDATES).collect();
    not_found("device", text, candidates).hint("`deadpixel devices` lists all of them")
}

fn ambiguous(what: &str, text: &str, mut candidates: Vec<String>) -> ProblemDocument {
    let count = candidates.len();
    let detail = format!("`{text}` fits {count} {what}; write more of the one you mean");
    candidates.truncate(MAX_CANDIDATES);
    let problem = ProblemDocument::new(ProblemKind::Ambiguous, detail);
    match count.saturating_sub(MAX_CANDIDATES) {
        0 => problem.candidates(candidates),
        more => problem.candidates(candidates).hint(format!("there are {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: u32, name: &str, named: bool, address: &str) -> Device {
        let addresses = address.parse().into_iter().collect();
        let (id, key) = (DeviceId(id), name.into());
        Device { id, name: name.into(), key, named, addresses, ..Device::default() }
    }

    fn household() -> Vec<Device> {
        vec![
            device(1, "Living-room TV", true, "192.168.1.40"),
            device(2, "Kitchen TV", true, "192.168.1.41"),
            device(3, "Kitchen tablet", true, "fd00::3"),
            device(4, "192.168.1.4", false, "192.168.1.4"),
        ]
    }

    fn found(text: &str) -> Result<u32, (ProblemKind, Vec<String>)> {
        let nobody = |_| None;
        find_device(text, &household(), nobody)
            .map(|device| device.id.0)
            .map_err(|problem| (problem.kind, problem.candidates))
    }

    #[test]
    fn devices_are_found_by_name_part_number_and_address_whatever_the_case() {
        assert_eq!(found("living-room tv"), Ok(1));
        assert_eq!(found("TABLET"), Ok(3));
        assert_eq!(found("2"), Ok(2));
        assert_eq!(found("fd00:0::3"), Ok(3));
        assert_eq!(found("192.168.1.4"), Ok(4));
        assert_eq!(found("192.168.1.40"), Ok(1));
    }

    #[test]
    fn a_hardware_address_finds_its_device_however_it_is_written() {
        let mut devices = household();
        devices[2].hardware = vec!["3c:5a:b4:01:02:0f".parse().expect("an address")];
        for text in ["3c:5a:b4:01:02:0f", "3C-5A-B4-01-02-0F", "3c:5a:b4:1:2:f"] {
            let device = find_device(text, &devices, |_| None).map(|device| device.id.0);
            assert_eq!(device, Ok(3), "{text}");
        }
        let unknown = find_device("3c:5a:b4:00:00:01", &devices, |_| None).expect_err("nobody");
        assert!(unknown.detail.contains("hardware address"), "{}", unknown.detail);
    }

    #[test]
    fn an_address_within_a_configured_prefix_finds_its_device() {
        let identify =
            |address: IpAddr| (address == IpAddr::from([10, 0, 0, 9])).then_some(DeviceId(2));
        let devices = household();
        let device = find_device("10.0.0.9", &devices, identify);
        assert_eq!(device.map(|device| device.id), Ok(DeviceId(2)));
    }

    #[test]
    fn an_ambiguous_part_lists_candidates() {
        let candidates =
            vec!["Living-room TV (192.168.1.40)".into(), "Kitchen TV (192.168.1.41)".into()];
        assert_eq!(found("tv"), Err((ProblemKind::Ambiguous, candidates)));
    }

    #[test]
    fn names_that_differ_in_case_alone_are_told_apart() {
        let twins = [device(1, "TV", true, "10.0.0.1"), device(2, "tv", true, "10.0.0.2")];
        let id = |text| find_device(text, &twins, |_| None).map(|device| device.id.0);
        assert_eq!((id("TV"), id("tv")), (Ok(1), Ok(2)));
        assert_eq!(id("Tv").map_err(|problem| problem.kind), Err(ProblemKind::Ambiguous));
    }

    #[test]
    fn an_address_that_never_asked_and_a_misspelt_name_say_what_to_do() {
        let hint = |text| {
            let problem = find_device(text, &household(), |_| None).expect_err("nobody");
            problem.hint.map(String::from).unwrap_or_default()
        };
        assert!(hint("192.168.1.99").contains("[[device]]"));
        assert_eq!(hint("Kitchen tablte"), "did you mean `Kitchen tablet`?");
    }

    #[test]
    fn an_unknown_device_lists_those_with_names() {
        let names = ["Living-room TV", "Kitchen TV", "Kitchen tablet"].map(String::from);
        assert_eq!(found("fridge"), Err((ProblemKind::NotFound, names.to_vec())));
        assert_eq!(found("").map_err(|(kind, _)| kind), Err(ProblemKind::NotFound));
    }

    #[test]
    fn companies_are_found_by_slug_before_name_and_part() {
        let company = |slug: &str, name: &str| Company {
            slug: slug.into(),
            name: name.into(),
            parent: None,
            country: None,
            website: None,
        };
        let companies = [company("meta", "Meta"), company("metrica", "Yandex Metrica")];
        let slug = |text| find_company(text, &companies).map(|company| company.slug.clone());
        assert_eq!(slug("meta"), Ok("meta".into()));
        assert_eq!(slug("yandex"), Ok("metrica".into()));
        assert_eq!(slug("met").map_err(|problem| problem.kind), Err(ProblemKind::Ambiguous));
        let unknown = slug("metrika").map_err(|problem| problem.hint);
        assert_eq!(unknown, Err(Some("did you mean `metrica`?".into())));
    }

    #[test]
    fn groups_are_found_by_their_whole_name() {
        let groups = ["Kids", "Kids' friends"].map(|name| GroupName::parse(name).expect("a name"));
        let group = find_group("kids", groups.iter()).map(|group| group.to_string());
        assert_eq!(group, Ok("Kids".into()));
        assert!(find_group("kid", groups.iter()).is_err());
    }
}
