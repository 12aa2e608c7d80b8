//! An upstream that gives every name an address.

use std::net::UdpSocket;

/// Starts an upstream that gives every name an address, and returns its line in config.toml.
pub fn upstream() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let url = format!("udp://{}", socket.local_addr().expect("an address"));
    std::thread::spawn(move || {
        let mut packet = [0; 1500];
        // It ends with the test's process.
        while let Ok((length, client)) = socket.recv_from(&mut packet) {
            let labels = packet[12..length].iter().position(|&octet| octet == 0);
            let end = 12 + labels.expect("a name") + 5;
            let mut reply = packet[..end].to_vec();
            reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 203, 0, 113, 7]);
            socket.send_to(&reply, client).expect("sent");
        }
    });
    url
}
