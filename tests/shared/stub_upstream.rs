//! An upstream on loopback.

use std::net::UdpSocket;

/// Starts an upstream that makes a reply of each question, and returns its line in config.toml.
///
/// A question is a whole query without its EDNS.
pub fn upstream(reply: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let url = format!("udp://{}", socket.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        // It ends with the process.
        while let Ok((length, client)) = socket.recv_from(&mut packet) {
            let labels = packet[12..length].iter().position(|&octet| octet == 0);
            let end = 12 + labels.expect("a name") + 5;
            socket.send_to(&reply(&packet[..end]), client).expect("sent");
        }
    });
    url
}
