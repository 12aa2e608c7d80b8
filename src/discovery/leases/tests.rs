//! Tests of the lease formats.

use super::*;
use crate::model::HardwareAddress;

fn read(text: &str) -> Reading {
    parse(text.as_bytes()).expect("the format is known")
}

/// Writes a lease as `address hardware name until`.
fn lines(reading: &Reading) -> Vec<String> {
    let line = |lease: &Lease| {
        let hardware = lease.hardware.map_or("-".to_owned(), |hardware| hardware.to_string());
        let name = lease.host_name.as_deref().unwrap_or("-");
        let until = lease.until.map_or("never".to_owned(), |until| until.to_string());
        format!("{} {hardware} {name} {until}", lease.address)
    };
    reading.leases.iter().map(line).collect()
}

const DNSMASQ: &str = "\
1795400000 3c:5a:b4:01:02:03 192.168.1.20 annas-phone 01:3c:5a:b4:01:02:03
0 52:54:00:aa:bb:cc 192.168.1.21 * ff:aa:bb:cc:dd:00:02:00:00:ab:11
1795400001 06-00:11:22:33:44:55 192.168.1.22 old-card *
1795400002 20-80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03:00:28:b7:aa 192.168.1.23 node *
duid 00:01:00:01:2c:3d:4e:5f:00:11:22:33:44:55
1795400003 11223344 fd00:1::20 annas-phone 00:01:00:01:2a:2b:2c:2d:3c:5a:b4:01:02:03
1795400004 T11223345 fd00:1::21 * 00:01:00:01:2a:2b:2c:2d:3c:5a:b4:01:02:03
";

#[test]
fn dnsmasq_with_ipv6_and_other_networks() {
    let reading = read(DNSMASQ);
    assert_eq!((reading.format, reading.refused, reading.cut), (Some(Format::Dnsmasq), 0, false));
    assert_eq!(
        lines(&reading),
        [
            "192.168.1.20 3c:5a:b4:01:02:03 annas-phone 1795400000",
            "192.168.1.21 52:54:00:aa:bb:cc - never",
            "192.168.1.22 00:11:22:33:44:55 old-card 1795400001",
            "192.168.1.23 - node 1795400002",
            "fd00:1::20 - annas-phone 1795400003",
            "fd00:1::21 - - 1795400004",
        ]
    );
}

#[test]
fn a_cut_last_line_is_left_out_and_never_read_as_a_shorter_address() {
    let text = DNSMASQ.split_inclusive('\n').take(2).collect::<String>();
    for cut in 1..text.len() {
        let Some(reading) = parse(&text.as_bytes()[..cut]) else { continue };
        let whole = text[..cut].matches('\n').count();
        assert_eq!(reading.leases.len(), if reading.format.is_some() { whole } else { 0 });
        assert!(reading.format.is_none() || reading.cut || text[..cut].ends_with('\n'));
    }
}

const DHCPD: &str = r#"# The format of this file is documented in the dhcpd.leases(5) manual page.
# This lease file was written by isc-dhcp-4.4.3-P1

# authoring-byte-order entry is generated, DO NOT DELETE
authoring-byte-order little-endian;

server-duid "\000\001\000\001,=N_\000\021\"3DU";

lease 192.168.1.30 {
  starts 0 2026/11/22 01:00:00;
  ends 0 2026/11/22 13:00:00;
  cltt 0 2026/11/22 01:00:00;
  binding state active;
  next binding state free;
  rewind binding state free;
  hardware ethernet 3c:5a:b4:01:02:03;
  uid "\001<Z\264\001\002\003";
  set vendor-class-identifier = "dhcpcd { 9.4 }; x";
  on expiry { set gone = "1"; }
  client-hostname "K\303\274che \"1\"";
}
lease 192.168.1.31 {
  starts epoch 1795300000; # Sun Nov 22 00:26:40 2026
  ends epoch 1795400000; # Mon Nov 23 04:13:20 2026
  binding state active;
  hardware ethernet 00:11:22:33:44:55;
}
lease 192.168.1.32 {
  ends never;
  binding state active;
  hardware ethernet 00:11:22:33:44:66;
}
lease 192.168.1.33 { ends never; binding state active; hardware ethernet 00:11:22:33:44:77; }
lease 192.168.1.33 { ends 0 2026/11/22 01:00:00; binding state free; }
lease 192.168.1.31 {
  ends epoch 1795500000;
  binding state active;
  hardware token-ring 00:11:22:33:44:55;
}
ia-na "\001\002\003\004\000\001" {
  iaaddr fd00::99 { binding state active; ends never; }
}
"#;

#[test]
fn dhcpd_takes_the_last_block_of_an_address() {
    let reading = read(DHCPD);
    assert_eq!((reading.format, reading.refused, reading.cut), (Some(Format::Dhcpd), 0, false));
    assert_eq!(
        lines(&reading),
        [
            "192.168.1.30 3c:5a:b4:01:02:03 Küche \"1\" 1795352400",
            "192.168.1.31 - - 1795500000",
            "192.168.1.32 00:11:22:33:44:66 - never",
        ]
    );
}

#[test]
fn dhcpd_keeps_all_blocks_before_a_half_written_one() {
    let text =
        format!("{DHCPD}lease 192.168.1.30 {{\n  ends never;\n  binding state active;\n  hardw");
    let reading = read(&text);
    assert!(reading.cut);
    assert_eq!(lines(&reading), lines(&read(DHCPD)));
}

#[test]
fn a_fresh_file_of_dhcpd_has_no_leases_and_is_no_fault() {
    let fresh = "# The format of this file is documented in the dhcpd.leases(5) manual page.\n\n";
    assert_eq!(parse(fresh.as_bytes()), Some(Reading::default()));
    assert_eq!(parse(b""), Some(Reading::default()));
}

const KEA4: &str = "\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
192.168.1.40,3c:5a:b4:01:02:03,01:3c:5a:b4:01:02:03,3600,1795400000,1,0,0,anna&#x2c phone,0,,0
192.168.1.41,00:11:22:33:44:55,,3600,1795400000,1,0,0,,0,,0
192.168.1.41,00:11:22:33:44:55,,0,1795400000,1,0,0,,0,,0
192.168.1.42,00:11:22:33:44:66,,4294967295,99999,1,0,0,tv.home.arpa,0,{ \"a\": \"b\"&#x2c },0
192.168.1.43,00:11:22:33:44:77,,3600,1795400000,1,0,0,declined,1,,0
192.168.1.44,00:11:22:33:44:88,,3600,soon,1,0,0,odd,0,,0
nonsense
";

#[test]
fn kea_by_the_columns_of_its_header() {
    let reading = read(KEA4);
    assert_eq!((reading.format, reading.refused, reading.cut), (Some(Format::Kea), 2, false));
    assert_eq!(
        lines(&reading),
        [
            "192.168.1.40 3c:5a:b4:01:02:03 anna, phone 1795400000",
            "192.168.1.42 00:11:22:33:44:66 tv.home.arpa never",
        ]
    );
}

#[test]
fn kea_of_ipv6_leaves_out_delegated_prefixes_and_guessed_hardware() {
    let text = "\
address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id
fd00::1,00:01:00:01:2a,4000,1795400000,1,3000,0,1,128,0,0,anna,3c:5a:b4:01:02:03,0,,1,4,0
fd00::2,00:03:00:01:3c,4000,1795400000,1,3000,0,1,128,0,0,otto,3c:5a:b4:01:02:04,0,,1,2,0
fd00:5::,00:03:00:01:3c,4000,1795400000,1,3000,2,1,60,0,0,,,0,,,,0
";
    let reading = read(text);
    assert_eq!(reading.refused, 0);
    assert_eq!(
        lines(&reading),
        ["fd00::1 3c:5a:b4:01:02:03 anna 1795400000", "fd00::2 - otto 1795400000"]
    );
}

#[test]
fn kea_while_it_cleans_its_file_is_read_from_all_parts_in_order() {
    let (header, _) = KEA4.split_once('\n').expect("lines");
    let row = |address: &str, lifetime: u32| {
        format!("{header}\n{address},00:11:22:33:44:55,,{lifetime},1795400000,1,0,0,x,0,,0\n")
    };
    let older = row("10.0.0.1", 60) + &row("10.0.0.2", 60);
    let parts = [older, row("10.0.0.2", 0), format!("{header}\n")];
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let reading = parse_all(&parts).expect("it is Kea's");
    assert_eq!(lines(&reading), ["10.0.0.1 00:11:22:33:44:55 x 1795400000"]);
}

const NETWORKD: &str = r#"{
	"BootID" : "d7f5041316de4f1f992a8a2822218a71",
	"Address" : [ 192, 168, 1, 1 ],
	"PrefixLength" : 24,
	"Leases" : [
		{
			"ClientId" : [ 1, 60, 90, 180, 1, 2, 3 ],
			"Address" : [ 192, 168, 1, 50 ],
			"AddressString" : "192.168.1.50",
			"Hostname" : "annas-phone",
			"HardwareAddressType" : 1,
			"HardwareAddressLength" : 6,
			"HardwareAddress" : [ 60, 90, 180, 1, 2, 3 ],
			"ExpirationUSec" : 1785791504658855,
			"ExpirationRealtimeUSec" : 1795400000658855
		},
		{
			"ClientId" : [ 255, 1, 2, 3, 4 ],
			"Address" : [ 192, 168, 1, 51 ],
			"HardwareAddressType" : 32,
			"HardwareAddressLength" : 8,
			"HardwareAddress" : [ 1, 2, 3, 4, 5, 6, 7, 8 ],
			"ExpirationRealtimeUSec" : 18446744073709551615
		},
		{ "ClientId" : [ 1, 60, 90, 180, 1, 2, 4 ], "Address" : [ 192, 168, 1, 52 ], "ExpirationUSec" : 5 }
	]
}
"#;

#[test]
fn networkd_by_the_wall_clock_only() {
    let reading = read(NETWORKD);
    assert_eq!((reading.format, reading.refused, reading.cut), (Some(Format::Networkd), 1, false));
    assert_eq!(
        lines(&reading),
        ["192.168.1.50 3c:5a:b4:01:02:03 annas-phone 1795400000", "192.168.1.51 - - never"]
    );
}

#[test]
fn networkd_as_a_bare_list_takes_hardware_from_client_ids() {
    let text = r#"[{"ClientId":[1,60,90,180,1,2,3],"Address":[10,0,0,5],"Hostname":"x",
        "ExpirationRealtimeUSec":1795400000000000}]"#;
    assert_eq!(lines(&read(text)), ["10.0.0.5 3c:5a:b4:01:02:03 x 1795400000"]);
}

#[test]
fn networkd_cut_short_keeps_the_leases_before() {
    let end = NETWORKD.find("192, 168, 1, 51").expect("the second lease");
    let reading = read(&NETWORKD[..end]);
    assert!(reading.cut);
    assert_eq!(lines(&reading), ["192.168.1.50 3c:5a:b4:01:02:03 annas-phone 1795400000"]);
}

const ODHCPD: &str = "\
# br-lan 3c5ab4010203 ipv4 annas-phone 1795400000 c0a8013c 32 192.168.1.60/32
192.168.1.60\tannas-phone.lan\tannas-phone
# br-lan 00010001aabbccdd3c5ab4010203 7b annas-phone 1795400001 60 128 fd00::60/128 fd01::60/128
fd00::60\tannas-phone.lan\tannas-phone
# br-lan 001122334455 ipv4 - -1 c0a8013d 32 192.168.1.61/32
# br-lan 001122334466 ipv4 broken\\x20double 1795400002 c0a8013e 32 192.168.1.62/32
# br-lan 00030001001122334477 1 - 1795400003 1 62 fd00:0:0:4::/62
192.168.1.63\tprinter.lan\tprinter
";

#[test]
fn odhcpd_by_its_comments_and_its_hosts_lines() {
    let reading = read(ODHCPD);
    assert_eq!((reading.format, reading.refused, reading.cut), (Some(Format::Odhcpd), 0, false));
    assert_eq!(
        lines(&reading),
        [
            "192.168.1.60 3c:5a:b4:01:02:03 annas-phone 1795400000",
            "192.168.1.61 00:11:22:33:44:55 - never",
            "192.168.1.62 00:11:22:33:44:66 double 1795400002",
            "192.168.1.63 - printer never",
            "fd00::60 - annas-phone 1795400001",
            "fd01::60 - annas-phone 1795400001",
        ]
    );
}

#[test]
fn other_texts_are_no_lease_files() {
    for text in [
        "[Match]\nName=eth0\n<html>\n",
        "<html><body>404</body></html>\n",
        "Name=eth0\n",
        "\u{0}\u{1}\u{2}\n",
        "1795400000 3c:5a:b4:01:02 192.168.1.20 phone *\n",
        "apple,banana\n",
    ] {
        let reading = parse(text.as_bytes());
        assert!(reading.as_ref().is_none_or(|reading| reading.leases.is_empty()), "{text:?}");
    }
    assert_eq!(parse(b"<html>\n"), None);
}

#[test]
fn group_addresses_and_endless_names_are_no_harm() {
    let name = "ü".repeat(300);
    let text = format!("1795400000 ff:ff:ff:ff:ff:ff 192.168.1.20 {name} *\n");
    let reading = read(&text);
    let lease = reading.leases.first().expect("a lease");
    assert_eq!(lease.hardware, None::<HardwareAddress>);
    assert_eq!(lease.host_name.as_ref().map(String::len), Some(254));
}

#[test]
fn leases_past_the_bound_are_refused_and_counted() {
    let mut text = String::new();
    for number in 0..u32::try_from(MAX_LEASES).expect("fits") + 7 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        text += &format!("0 3c:5a:b4:01:02:03 {address} * *\n");
    }
    let reading = read(&text);
    assert_eq!((reading.leases.len(), reading.refused), (MAX_LEASES, 7));
}

proptest::proptest! {
    #[test]
    fn no_octets_bring_a_parser_down(octets: Vec<u8>, cut: usize) {
        parse(&octets);
        for sample in [DNSMASQ, DHCPD, KEA4, NETWORKD, ODHCPD] {
            let mut mixed = sample.as_bytes()[..cut % sample.len()].to_vec();
            mixed.extend(&octets);
            mixed.extend(&sample.as_bytes()[cut % sample.len()..]);
            parse(&mixed);
        }
    }
}
