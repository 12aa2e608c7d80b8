//! Zones being put together: special-use zones, zone files, and the names of the policy.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::path::Path;

use hickory_server::proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SOA};
use hickory_server::proto::rr::{LowerName, Name, RData, Record, RecordSet, RecordType, RrKey};
use hickory_server::proto::serialize::binary::{BinDecodable, BinEncodable};
use hickory_server::zone_handler::Catalog;

use crate::model::{DomainName, NameRef};

use super::authority::Zone;
use super::ownership::{Claim, Ownership, Reach};
use super::{LocalName, OUR_NAME_TEXT, TTL, special, zone_file};

/// Zones being put together, by apex, with the names they make ours.
#[derive(Default)]
pub struct Drafts {
    zones: BTreeMap<DomainName, Draft>,
    ownership: Ownership,
}

struct Draft {
    records: BTreeMap<RrKey, RecordSet>,
    hollow: bool,
}

impl Drafts {
    /// Adds special-use names and private reverse zones.
    pub fn special(&mut self) {
        for text in special::ALWAYS {
            self.empty_zone(&our_own(text), Claim::Always);
        }
        for text in special::PRIVATE {
            self.empty_zone(&our_own(text), Claim::Private);
        }
        for text in special::reverse() {
            self.empty_zone(&our_own(&text), Claim::Private);
        }
        // Designated resolvers of an upstream would move clients past us (RFC 9462, section 6.4).
        if let Some(draft) = self.zones.get_mut(&our_own("resolver.arpa")) {
            draft.hollow = true;
        }
        for address in [IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])] {
            let localhost = our_own("localhost");
            self.record(localhost.as_ref(), false, address_data(address));
            self.record(localhost.as_ref(), true, address_data(address));
            self.reverse(address, localhost.as_ref(), Claim::Private);
        }
    }

    /// Adds a zone with the records of a zone file; it takes the place of a special-use zone.
    pub fn zone_file(&mut self, apex: &DomainName, path: &Path) -> Result<(), String> {
        if is_reserved(apex.as_ref()) {
            return Err(format!("{}: {apex} cannot have a zone file of its own", path.display()));
        }
        let records = zone_file::read(path, &to_name(apex.as_ref()))?;
        let mut draft = Draft { records, hollow: false };
        draft.name_server(apex.as_ref());
        self.zones.insert(apex.clone(), draft);
        self.ownership.claim(apex.as_ref(), Reach::Zone, Claim::Always);
        Ok(())
    }

    /// Adds the names of the policy; only they themselves become ours, not what stands around them.
    ///
    /// A name goes into the zone that holds it, or into one that begins above it: an alias cannot
    /// stand beside the SOA of a zone of its own.
    pub fn names(&mut self, names: &[LocalName]) -> Vec<String> {
        let mut shortest_first: Vec<&LocalName> = names.iter().collect();
        shortest_first.sort_by_key(|local| local.name.as_ref().labels().count());
        let mut problems = Vec::new();
        for local in shortest_first {
            problems.extend(self.name(local).err());
        }
        for local in names.iter().filter(|local| !local.wildcard) {
            for &address in &local.addresses {
                self.reverse(address, local.name.as_ref(), Claim::Always);
            }
        }
        problems.extend(names.iter().filter_map(|local| self.stray_alias(local)));
        problems
    }

    /// Ends the work: every zone goes into the catalog.
    pub fn finish(self) -> Result<(Catalog, Ownership), Vec<String>> {
        let mut catalog = Catalog::new();
        let mut problems = Vec::new();
        for (apex, draft) in self.zones {
            let name = to_name(apex.as_ref());
            match Zone::new(name.clone(), draft.records, draft.hollow) {
                Ok(zone) => catalog.upsert(LowerName::new(&name), vec![std::sync::Arc::new(zone)]),
                Err(why) => {
                    problems.push(format!("{why}; an alias can have no other record beside it"))
                }
            }
        }
        if problems.is_empty() { Ok((catalog, self.ownership)) } else { Err(problems) }
    }

    fn empty_zone(&mut self, apex: &DomainName, claim: Claim) {
        self.zones.insert(apex.clone(), Draft::empty(apex.as_ref()));
        self.ownership.claim(apex.as_ref(), Reach::Zone, claim);
    }

    fn name(&mut self, local: &LocalName) -> Result<(), String> {
        let name = local.name.as_ref();
        if is_reserved(name) {
            return Err(format!("{name} is answered by the program itself"));
        }
        if local.alias.is_some() && !local.addresses.is_empty() {
            return Err(format!("{name} has both addresses and an alias; it can have one"));
        }
        let above = if local.wildcard { Some(name) } else { name.parent() };
        let apex = above.unwrap_or(name);
        if self.zone_of(name).is_none() {
            self.zones.insert(apex.to_owned(), Draft::empty(apex));
        }
        for &address in &local.addresses {
            self.record(name, local.wildcard, address_data(address));
        }
        if let Some(target) = &local.alias {
            let target = RData::CNAME(CNAME(to_name(target.as_ref())));
            self.record(name, local.wildcard, target);
        }
        let reach = if local.wildcard { Reach::Below } else { Reach::Itself };
        self.ownership.claim(name, reach, Claim::Always);
        Ok(())
    }

    fn stray_alias(&self, local: &LocalName) -> Option<String> {
        let target = local.alias.as_ref()?;
        let stray = self.ownership.find(target.as_ref()).is_none();
        stray.then(|| {
            format!(
                "{} is an alias of {target}, which is no name of ours; aliases of other names \
                 cannot be answered from here",
                local.name
            )
        })
    }

    fn zone_of(&self, name: NameRef<'_>) -> Option<DomainName> {
        let mut parents = name.walk().map(NameRef::to_owned);
        parents.find(|parent| self.zones.contains_key(parent)).or_else(|| {
            let root = DomainName::root();
            self.zones.contains_key(&root).then_some(root)
        })
    }

    fn record(&mut self, name: NameRef<'_>, wildcard: bool, data: RData) {
        let Some(draft) = self.zone_of(name).and_then(|apex| self.zones.get_mut(&apex)) else {
            return;
        };
        let owner = to_name(name);
        let owner = if wildcard { owner.prepend_label("*").unwrap_or(owner) } else { owner };
        draft.add(owner, data);
    }

    /// Adds the reverse of an address, if the reverse zone is ours and has none yet.
    fn reverse(&mut self, address: IpAddr, name: NameRef<'_>, claim: Claim) {
        let reverse = Name::from(address);
        let Some(owner) = reverse.to_bytes().ok().and_then(|wire| DomainName::from_wire(&wire))
        else {
            return;
        };
        let key = RrKey::new(LowerName::new(&reverse), RecordType::PTR);
        let zone = self.zone_of(owner.as_ref()).and_then(|apex| self.zones.get(&apex));
        let free = zone.is_some_and(|draft| !draft.records.contains_key(&key));
        if free && self.ownership.find(owner.as_ref()).is_some() {
            self.record(owner.as_ref(), false, RData::PTR(PTR(to_name(name))));
            self.ownership.claim(owner.as_ref(), Reach::Itself, claim);
        }
    }
}

impl Draft {
    fn empty(apex: NameRef<'_>) -> Draft {
        let mut draft = Draft { records: BTreeMap::new(), hollow: false };
        let server = to_name(our_own(OUR_NAME_TEXT).as_ref());
        let mailbox = to_name(our_own("nobody.invalid").as_ref());
        let soa = SOA::new(server, mailbox, 1, 1800, 900, 604_800, TTL);
        draft.add(to_name(apex), RData::SOA(soa));
        draft.name_server(apex);
        draft
    }

    /// Names a server where the zone has none, as the catalog expects.
    fn name_server(&mut self, apex: NameRef<'_>) {
        let server = RData::NS(NS(to_name(our_own(OUR_NAME_TEXT).as_ref())));
        let key = RrKey::new(LowerName::new(&to_name(apex)), server.record_type());
        if !self.records.contains_key(&key) {
            self.add(to_name(apex), server);
        }
    }

    fn add(&mut self, owner: Name, data: RData) {
        let record = Record::from_rdata(owner, TTL, data);
        match self.records.entry(RrKey::new(LowerName::new(&record.name), record.record_type())) {
            Entry::Vacant(entry) => {
                entry.insert(RecordSet::from(record));
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().insert(record, 0);
            }
        }
    }
}

fn is_reserved(name: NameRef<'_>) -> bool {
    special::ALWAYS.iter().any(|text| name.is_subdomain_of(our_own(text).as_ref()))
}

fn address_data(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    }
}

fn our_own(text: &str) -> DomainName {
    DomainName::parse(text).expect("our own names are names")
}

/// Turns a name of ours into one of hickory's.
pub fn to_name(name: NameRef<'_>) -> Name {
    Name::from_bytes(name.wire()).expect("a name in wire form is a name")
}
