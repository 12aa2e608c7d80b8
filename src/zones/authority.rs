//! One zone as hickory-server's catalog asks it, and the octets that the catalog answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use hickory_server::net::NetError;
use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::{
    LowerName, Name, Record, RecordSet, RecordType, RrKey, TSigResponseContext,
};
use hickory_server::proto::serialize::binary::BinEncoder;
use hickory_server::server::{Request, RequestInfo, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{
    AuthLookup, AxfrPolicy, LookupControlFlow, LookupError, LookupOptions, MessageResponse,
    ZoneHandler, ZoneType,
};

/// A zone: hickory's records in memory, behind a judgement of ours on which names exist.
///
/// The handler in memory lets a wildcard answer for a name that exists without the type asked for,
/// and above the closest name that exists (RFC 4592, section 2.2.1). Here only what the right
/// owner holds is asked of it. An alias is answered alone; its target may be in another zone.
pub struct Zone {
    records: InMemoryZoneHandler,
    /// Types by owner; names that only have others below them hold none.
    types: HashMap<LowerName, Vec<RecordType>>,
    /// Whether every name within exists without data.
    hollow: bool,
}

impl Zone {
    /// Takes over the records of a zone, its SOA among them.
    pub fn new(
        apex: Name,
        records: BTreeMap<RrKey, RecordSet>,
        hollow: bool,
    ) -> Result<Zone, String> {
        let mut types: HashMap<LowerName, Vec<RecordType>> = HashMap::new();
        for key in records.keys() {
            types.entry(key.name.clone()).or_default().push(key.record_type);
            let mut parent = key.name.base_name();
            while !parent.is_root() && apex.zone_of(&parent) {
                types.entry(parent.clone()).or_default();
                parent = parent.base_name();
            }
        }
        let records = InMemoryZoneHandler::new(apex, records, ZoneType::Primary, AxfrPolicy::Deny)?;
        Ok(Zone { records, types, hollow })
    }

    /// Returns the types of the name itself, or of the wildcard that stands in for it.
    fn held(&self, name: &LowerName) -> Option<&Vec<RecordType>> {
        if let Some(held) = self.types.get(name) {
            return Some(held);
        }
        let mut child = name.clone();
        while !child.is_root() {
            let parent = child.base_name();
            if self.types.contains_key(&parent) {
                return self.types.get(&child.into_wildcard());
            }
            child = parent;
        }
        None
    }
}

#[async_trait]
impl ZoneHandler for Zone {
    fn zone_type(&self) -> ZoneType {
        ZoneType::Primary
    }

    fn axfr_policy(&self) -> AxfrPolicy {
        AxfrPolicy::Deny
    }

    fn origin(&self) -> &LowerName {
        self.records.origin()
    }

    async fn lookup(
        &self,
        name: &LowerName,
        query_type: RecordType,
        info: Option<&RequestInfo<'_>>,
        options: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        let Some(held) = self.held(name) else {
            let error = match self.hollow {
                true => LookupError::NameExists,
                false => LookupError::ResponseCode(ResponseCode::NXDomain),
            };
            return LookupControlFlow::Continue(Err(error));
        };
        match choose(held, query_type) {
            Some(chosen) => self.records.lookup(name, chosen, info, options).await,
            None => LookupControlFlow::Continue(Err(LookupError::NameExists)),
        }
    }

    async fn search(
        &self,
        request: &Request,
        options: LookupOptions,
    ) -> (LookupControlFlow<AuthLookup>, Option<TSigResponseContext>) {
        let found = match request.request_info() {
            Ok(info) => {
                self.lookup(info.query.name(), info.query.query_type(), Some(&info), options).await
            }
            Err(error) => LookupControlFlow::Break(Err(error)),
        };
        (found, None)
    }

    async fn nsec_records(
        &self,
        _name: &LowerName,
        _options: LookupOptions,
    ) -> LookupControlFlow<AuthLookup> {
        LookupControlFlow::Continue(Ok(AuthLookup::default()))
    }
}

/// Returns the type that answers: an alias stands for all, ANY gets one (RFC 8482, section 4.1).
fn choose(held: &[RecordType], query_type: RecordType) -> Option<RecordType> {
    if held.contains(&RecordType::CNAME) {
        return Some(RecordType::CNAME);
    }
    match query_type {
        RecordType::ANY => held.first().copied(),
        other => held.contains(&other).then_some(other),
    }
}

/// Takes the octets of the catalog's answer.
#[derive(Clone, Default)]
pub struct Emitted(Arc<Mutex<Vec<u8>>>);

impl Emitted {
    /// Returns the octets; empty if nothing was answered.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl ResponseHandler for Emitted {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut octets = Vec::with_capacity(512);
        let info = response.destructive_emit(&mut BinEncoder::new(&mut octets))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = octets;
        Ok(info)
    }
}
