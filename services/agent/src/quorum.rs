//! Who leads Kafka's metadata quorum. Metadata answers of a KRaft broker name any live broker as the
//! controller, and librdkafka has no call for `DescribeQuorum`, so this speaks those two messages itself.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const DESCRIBE_QUORUM: i16 = 55;
const TIMEOUT: Duration = Duration::from_millis(1500);
/// A quorum answer is some hundred bytes; anything bigger is not one.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Asks the brokers (`host:port,host:port`) in turn; `None` if none knows a leader.
pub async fn leader(brokers: &str) -> Option<i32> {
    for broker in brokers.split(',') {
        if let Ok(Ok(Some(leader))) = timeout(TIMEOUT, ask(broker.trim())).await {
            return Some(leader);
        }
    }
    None
}

async fn ask(broker: &str) -> io::Result<Option<i32>> {
    let mut stream = TcpStream::connect(broker).await?;
    let request = request();
    stream.write_all(&request).await?;
    let length = usize::try_from(stream.read_i32().await?).unwrap_or(usize::MAX);
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    Ok(parse(&answer))
}

/// Header version 2, then one topic with one partition: `__cluster_metadata`, 0.
fn request() -> Vec<u8> {
    const CLIENT: &[u8] = b"agent";
    const TOPIC: &[u8] = b"__cluster_metadata";
    let mut body = Vec::with_capacity(64);
    body.extend(DESCRIBE_QUORUM.to_be_bytes());
    body.extend([0, 0]); // version
    body.extend(1_i32.to_be_bytes()); // correlation id
    body.extend([0, 5]); // length of the client id
    body.extend(CLIENT);
    body.push(0); // no tagged fields
    body.push(2); // one topic: compact lengths are one higher
    body.push(19);
    body.extend(TOPIC);
    body.push(2); // one partition
    body.extend(0_i32.to_be_bytes());
    body.extend([0, 0, 0]); // no tagged fields: partition, topic, request
    let mut frame = Vec::with_capacity(body.len() + 4);
    frame.extend(u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
    frame.extend(body);
    frame
}

/// Reads as far as the leader's id; `None` for an error or for a quorum without a leader.
fn parse(answer: &[u8]) -> Option<i32> {
    let mut rest = answer.get(4..)?; // correlation id
    skip_one(&mut rest)?; // tagged fields of the header
    if i16::from_be_bytes(take(&mut rest)?) != 0 {
        return None;
    }
    skip_one(&mut rest)?; // one topic
    let [name_length] = take::<1>(&mut rest)?;
    rest = rest.get(usize::from(name_length).checked_sub(1)?..)?;
    skip_one(&mut rest)?; // one partition
    let _partition: [u8; 4] = take(&mut rest)?;
    if i16::from_be_bytes(take(&mut rest)?) != 0 {
        return None;
    }
    let leader = i32::from_be_bytes(take(&mut rest)?);
    (leader >= 0).then_some(leader)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn skip_one(rest: &mut &[u8]) -> Option<()> {
    take::<1>(rest).map(|_byte| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: i16, leader: i32) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 2, 19];
        bytes.extend(b"__cluster_metadata");
        bytes.push(2);
        bytes.extend(0_i32.to_be_bytes());
        bytes.extend(error.to_be_bytes());
        bytes.extend(leader.to_be_bytes());
        bytes.extend([0; 12]);
        bytes
    }

    #[test]
    fn the_leader_is_read_from_the_answer() {
        assert_eq!(parse(&answer(0, 2)), Some(2));
    }

    #[test]
    fn no_leader_an_error_or_a_short_answer_is_none() {
        assert_eq!(parse(&answer(0, -1)), None);
        assert_eq!(parse(&answer(6, 2)), None);
        assert_eq!(parse(&answer(0, 2)[..20]), None);
        assert_eq!(parse(&[]), None);
    }
}
