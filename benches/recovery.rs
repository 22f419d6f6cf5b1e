//! What a start costs: records a second of a plain read with checksums, and of a replay, over the three logs of a day.
//!
//! The logs are written by the production risk stage, log writers and encoders: each order is acknowledged and filled, so that it leaves
//! nine records (two, three and four in order, desk and client log). Arguments: `--records N` (a million), `--directory DIR` (a directory that goes away),
//! `--keep` (use the logs that stand there). Without `--bench` it runs once around on a small log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use gatehouse::app::log_store::LogStore;
use gatehouse::config::plan::Plan;
use gatehouse::config::sample::{Sample, account_name};
use gatehouse::domain::order::{
    AccountRef, ClientRequest, FromClient, InstrumentRef, NewOrder, ToDesk,
};
use gatehouse::domain::report::{DeskExec, DeskInput, DeskReport, FromDesk, LinkEvent, ToClient};
use gatehouse::domain::{
    AccountIndex, ClientOrderId, DeskText, ExecId, FixVersion, InstrumentIndex, LinkIndex, Now,
    OrderStatus, OrderType, Price, Quantity, SessionIndex, Side, Text, TimeInForce,
};
use gatehouse::io::LogFile;
use gatehouse::journal::{Cause, Log, LogId, RecordKind, Taken};
use gatehouse::sim::load_codec::{self, LoadRequest};
use gatehouse::stage::assembly::{self, Common, Rings};
use gatehouse::stage::replay::Replay;
use gatehouse::stage::risk::RiskStage;
use gatehouse::status::page::{Words, page_bytes};
use gatehouse::status::{Identity, Page};
use gatehouse::wire::fix::{
    Header, MsgType, Precision, TimeText, Writer, encode_output, encode_to_desk, tags,
};
use ringbuf::byte_log::{self, Reader, Region};
use ringbuf::spsc::{Consumer, Producer};

#[global_allocator]
static MEMORY: gatehouse::sys::heap::LargePages = gatehouse::sys::heap::LargePages;

const LOGS: [LogId; 3] = [LogId::Client, LogId::Order, LogId::Desk];
const RECORDS_PER_ORDER: usize = 9;
const SESSIONS: usize = 16;
const WINDOW_BYTES: usize = 8 << 20;

fn plan(directory: &Path, orders: usize) -> Plan {
    let mut sample = Sample::new(directory);
    sample.sessions = SESSIONS;
    sample.accounts = 1_024;
    sample.instruments = 500;
    sample.held_instruments = 0;
    sample.links = vec![([127, 0, 0, 1], 2000).into()];
    sample.requests_per_day_max = orders * 5 / 4 + 1_000;
    sample.executions_per_day_max = orders * 5 / 2 + 1_000;
    let mut plan = sample.plan();
    for session in &mut plan.sessions {
        (session.messages_per_second, session.message_burst) = (0, 0);
    }
    for account in &mut plan.accounts {
        account.cash.0 = i128::MAX >> 40;
        account.open_orders_max = 0;
        account.messages_per_second = 0;
    }
    plan
}

/// One log with its file.
struct Output {
    log: Log,
    reader: Reader,
    file: LogStore,
}

impl Output {
    fn drain(&mut self) {
        while let Some(frame) = self.reader.next() {
            self.file.append(frame.bytes).expect("room on the disk");
        }
        self.reader.release(self.reader.cursor());
    }
}

/// The risk stage between writers of the other two logs.
struct Day {
    common: Common,
    risk: RiskStage,
    to_risk: (Producer<FromClient>, Producer<FromDesk>),
    from_risk: (Consumer<ToDesk>, Consumer<ToClient>),
    client: Output,
    order: (Reader, LogStore),
    desk: Output,
    time: TimeText,
    buffer: Vec<u8>,
    /// Numbers of messages: from and to clients, to and from the desk
    numbers: [[u64; SESSIONS]; 4],
    now: Now,
}

impl Day {
    fn new(plan: &Arc<Plan>, directory: &Path) -> Self {
        let now = Now {
            mono_ns: 1_000_000_000,
            wall_ns: 1_790_000_000_000_000_000,
        };
        let common = Common::new(plan.clone(), 1, now);
        let shape = assembly::shape(plan);
        let words = (0..page_bytes(&shape).div_ceil(8)).map(|_| 0.into());
        let page: Words = Box::leak(words.collect());
        let identity = Identity {
            process_id: 1,
            start_wall_ns: now.wall_ns,
            boot_id_hash: 1,
        };
        let writers = Page::format(page, &shape, identity).into_writers();
        let make = |id: LogId| {
            let (writer, reader) = byte_log::create(Region::heap(WINDOW_BYTES)).expect("a window");
            let names = assembly::channel_names(plan, id);
            let beginning = assembly::Beginning {
                gateway: &plan.name,
                epoch: 1,
                before: [0; 3],
                channels: &names,
                loss: None,
            };
            let log = assembly::begin_log(Log::new(id, writer), &beginning, now).expect("room");
            let file = LogStore::create(directory, id, 1).expect("a log");
            Output { log, reader, file }
        };
        let rings = Rings::new(256);
        let nothing = Replay::new(plan.clone(), 0).finish(assembly::day(now));
        let (_, before, _) = assembly::share(nothing.expect("no logs"));
        let order = make(LogId::Order);
        let risk = assembly::risk(&common, before, order.log, rings.risk, writers.risk);
        let risk = risk.expect("room");
        let mut day = Self {
            common,
            risk,
            to_risk: (rings.decode.0, rings.route.1),
            from_risk: (rings.route.0, rings.decode.1),
            client: make(LogId::Client),
            order: (order.reader, order.file),
            desk: make(LogId::Desk),
            time: TimeText::new(Precision::Millis),
            buffer: vec![0; 4096],
            numbers: [[1; SESSIONS]; 4],
            now,
        };
        let ready = FromDesk {
            input: DeskInput::Link(LinkEvent::Ready),
            ..FromDesk::default()
        };
        assert!(day.to_risk.1.push(&ready));
        day.risk.duty_cycle(now);
        day
    }

    fn header(numbers: &mut u64, now: Now) -> Header<'static> {
        *numbers += 1;
        Header {
            version: FixVersion::Fix44,
            msg_type: MsgType::EXECUTION_REPORT,
            msg_seq_num: *numbers - 1,
            sender_comp_id: b"GATEHOUSE",
            target_comp_id: b"CLIENT0",
            sending_time_ns: now.wall_ns,
            poss_dup: false,
            poss_resend: false,
            orig_sending_time: b"",
            last_processed: None,
        }
    }

    fn order(&mut self, number: u32) {
        let session = number as usize % SESSIONS;
        let (account, instrument) = (number % 1_024 / 16 * 16 + session as u32, number % 500);
        let (price, quantity) = (Price(10 * 100_000_000), Quantity(100));
        let (account_name, symbol) = (account_name(account as usize), format!("SYM{instrument}"));
        let header = Self::header(&mut self.numbers[0][session], self.now);
        let request = LoadRequest {
            kind: load_codec::RequestKind::New,
            number,
            original: 0,
            account: account_name.as_bytes(),
            symbol: symbol.as_bytes(),
            side: Side::Buy,
            price,
            quantity,
        };
        let prefix = Text::cut(b"R");
        let message =
            load_codec::encode(&mut self.buffer, &header, &mut self.time, &prefix, &request)
                .expect("room");
        let appended = self
            .client
            .log
            .append_received(
                session as u16,
                self.now.wall_ns,
                header.msg_seq_num + 1,
                Taken::Delivered,
                &self.buffer[message],
            )
            .expect("room");
        let name = format!("R{number:08}");
        let input = FromClient {
            session: SessionIndex(session as u32),
            received_ns: self.now.mono_ns,
            decoded_ns: self.now.mono_ns,
            cause_sequence: appended.sequence,
            is_late: false,
            may_be_sent: false,
            request: ClientRequest::New(NewOrder {
                client_order_id: ClientOrderId::cut(name.as_bytes()),
                account: AccountRef::Known(AccountIndex(account)),
                instrument: InstrumentRef::Known(InstrumentIndex(instrument)),
                side: Side::Buy,
                order_type: OrderType::Limit,
                time_in_force: TimeInForce::Day,
                price,
                quantity,
                possible_resend: false,
            }),
        };
        assert!(self.to_risk.0.push(&input));
        self.pass();
    }

    /// The risk stage works, and what comes of it is written.
    fn pass(&mut self) {
        self.now.mono_ns += 1_000;
        self.now.wall_ns += 1_000;
        self.risk.duty_cycle(self.now);
        let mut sent = None;
        while let Some(request) = self.from_risk.0.pop() {
            let header = Self::header(&mut self.numbers[2][0], self.now);
            let directory = &self.common.directory;
            let message = encode_to_desk(
                &mut self.buffer,
                &header,
                &mut self.time,
                directory,
                &request,
            )
            .expect("room");
            let cause = Cause {
                log: LogId::Order,
                sequence: request.cause_sequence,
                output: request.cause_output as u16,
            };
            let (kind, time_ns) = (RecordKind::MessageOut, self.now.wall_ns);
            let log = &mut self.desk.log;
            log.append(kind, 0, cause, time_ns, &self.buffer[message])
                .expect("room");
            sent = Some(request);
        }
        while let Some(output) = self.from_risk.1.pop() {
            let session = output.session.get();
            let header = Self::header(&mut self.numbers[1][session], self.now);
            let (directory, what) = (&self.common.directory, &output.output);
            let plain = (None, false);
            let message = encode_output(
                &mut self.buffer,
                &header,
                &mut self.time,
                directory,
                what,
                plain,
            )
            .expect("room");
            let cause = Cause {
                log: LogId::Order,
                sequence: output.cause_sequence,
                output: output.cause_output as u16,
            };
            let (kind, time_ns) = (RecordKind::MessageOut, self.now.wall_ns);
            let log = &mut self.client.log;
            log.append(kind, session as u16, cause, time_ns, &self.buffer[message])
                .expect("room");
        }
        if let Some(request) = sent {
            self.report(&request, DeskExec::New, OrderStatus::New);
            let (quantity, price) = (request.quantity, request.price);
            let trade = DeskExec::Trade { quantity, price };
            self.report(&request, trade, OrderStatus::Filled);
        }
    }

    fn report(&mut self, request: &ToDesk, exec: DeskExec, status: OrderStatus) {
        let header = Self::header(&mut self.numbers[3][0], self.now);
        let id = request.id.to_base62();
        let exec_id = format!("X{}", header.msg_seq_num);
        let is_trade = status == OrderStatus::Filled;
        let filled = if is_trade {
            request.quantity
        } else {
            Quantity::ZERO
        };
        let leaves = Quantity(request.quantity.0 - filled.0);
        let mut w = Writer::begin(&mut self.buffer, &header, &mut self.time);
        w.price(tags::AVG_PX, request.price);
        w.bytes(tags::CL_ORD_ID, &id);
        w.quantity(tags::CUM_QTY, filled);
        w.bytes(tags::EXEC_ID, exec_id.as_bytes());
        if is_trade {
            w.price(tags::LAST_PX, request.price);
            w.quantity(tags::LAST_QTY, filled);
        }
        w.bytes(tags::ORDER_ID, &id);
        w.quantity(tags::ORDER_QTY, request.quantity);
        w.char(tags::ORD_STATUS, status as u8);
        w.char(tags::SIDE, b'1');
        w.bytes(tags::SYMBOL, b"SYM1");
        w.char(tags::EXEC_TYPE, if is_trade { b'F' } else { b'0' });
        w.quantity(tags::LEAVES_QTY, leaves);
        let message = w.finish().expect("room");
        let appended = self
            .desk
            .log
            .append_received(
                0,
                self.now.wall_ns,
                header.msg_seq_num + 1,
                Taken::Delivered,
                &self.buffer[message],
            )
            .expect("room");
        let input = FromDesk {
            link: LinkIndex(0),
            received_ns: self.now.mono_ns,
            cause_sequence: appended.sequence,
            input: DeskInput::Report(DeskReport {
                id: request.id,
                exec_id: ExecId::cut(exec_id.as_bytes()),
                exec_ref_id: ExecId::EMPTY,
                exec,
                status,
                side: Side::Buy,
                cumulated: filled,
                leaves,
                quantity: request.quantity,
                price: request.price,
                text: DeskText::EMPTY,
            }),
        };
        assert!(self.to_risk.1.push(&input));
        self.pass();
    }

    fn drain(&mut self) {
        self.client.drain();
        self.desk.drain();
        let (reader, file) = &mut self.order;
        while let Some(frame) = reader.next() {
            file.append(frame.bytes).expect("room on the disk");
        }
        reader.release(reader.cursor());
    }
}

fn write_logs(plan: &Arc<Plan>, directory: &Path, orders: usize) {
    let mut day = Day::new(plan, directory);
    for number in 0..orders {
        day.order(number as u32);
        if number % 256 == 255 {
            day.drain();
        }
    }
    for log in [&mut day.client.log, day.risk.log(), &mut day.desk.log] {
        log.end(day.now.wall_ns);
    }
    day.drain();
    assert_eq!(day.risk.risk().requests_used(), orders, "none was refused");
}

/// Time of the clock, and time that this thread had a processor: the second is what counts where others use them too.
struct Began(Instant, f64);

impl Began {
    fn now() -> Self {
        Self(Instant::now(), processor_s())
    }
}

fn processor_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let spent = stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    spent.unwrap_or(0.0) / 1e9
}

/// Records in a second of the processor.
fn rate(what: &str, records: u64, began: Began) -> f64 {
    let (seconds, spent) = (began.0.elapsed().as_secs_f64(), processor_s() - began.1);
    let rate = records as f64 / spent.max(1e-9);
    let per_second = rate / 1e6;
    println!(
        "{what:<40}{seconds:>8.3} s, on a processor {spent:>8.3} s {per_second:>8.2} M records/s"
    );
    rate
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|it| it == name)?;
        arguments.get(at + 1).cloned()
    };
    let is_bench = arguments.iter().any(|it| it == "--bench");
    let default = if is_bench { 1_000_000 } else { 9_000 };
    let records = value("--records").map_or(default, |it| it.parse().expect("a number"));
    let orders = records / RECORDS_PER_ORDER;
    let room = tempfile::tempdir().expect("a directory");
    let directory = value("--directory").map_or(room.path().to_owned(), PathBuf::from);
    let plan = Arc::new(plan(&directory, orders));
    let logs = &plan.state.log_directory;
    if !arguments.iter().any(|it| it == "--keep") {
        std::fs::create_dir_all(logs).expect("made");
        let began = Began::now();
        write_logs(&plan, logs, orders);
        rate("written", records as u64, began);
    }
    measure::all(&plan, logs);
}

mod measure {
    use super::*;
    use gatehouse::app::log_reader::{LogPlace, LogReader};
    use gatehouse::app::snapshots;
    use gatehouse::journal::record::padded;

    /// As `cat` and a checksum would: segments in order, each record's bytes once.
    fn plain(directory: &Path, log: LogId) -> (u64, u64) {
        let (mut records, mut bytes, mut crc) = (0u64, 0u64, 0u32);
        let mut buffer = vec![0u8; 1 << 20];
        let (mut filled, mut at) = (0, 0);
        for segment in 0.. {
            let path = gatehouse::app::log_store::segment_path(directory, log, 1, segment);
            let Ok(mut file) = std::fs::File::open(path) else {
                break;
            };
            loop {
                buffer.copy_within(at..filled, 0);
                (filled, at) = (filled - at, 0);
                let read = std::io::Read::read(&mut file, &mut buffer[filled..]).expect("read");
                if read == 0 {
                    break;
                }
                filled += read;
                while filled - at >= 48 {
                    let length = u32::from_le_bytes(buffer[at + 4..at + 8].try_into().expect("4"));
                    let length = length as usize;
                    if length == 0 || filled - at < length.next_multiple_of(8) {
                        break;
                    }
                    crc = crc32c::crc32c_append(crc, &buffer[at + 4..at + length]);
                    assert_eq!(crc.to_le_bytes(), buffer[at..at + 4], "the chain holds");
                    at += length.next_multiple_of(8);
                    records += 1;
                    bytes += length as u64;
                }
            }
        }
        (records, bytes)
    }

    fn read(place: &LogPlace, log: LogId) -> u64 {
        let mut reader = LogReader::open(place.clone(), log).expect("a log");
        let (mut records, mut bytes) = (0, 0);
        while reader.advance().expect("good logs") {
            records += 1;
            bytes += padded(reader.record().body.len());
        }
        std::hint::black_box(bytes);
        records
    }

    pub fn all(plan: &Arc<Plan>, logs: &Path) {
        let place = LogPlace::new(logs, None);
        let order_only = plain(logs, LogId::Order);
        let began = Began::now();
        let of_all = LOGS.map(|log| plain(logs, log));
        let (records, bytes): (u64, u64) = of_all
            .iter()
            .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let plain_rate = rate("plain read and checksums, three logs", records, began);
        println!("{records} records of {} bytes", bytes / records);
        let began = Began::now();
        plain(logs, LogId::Order);
        rate("the same, order log alone", order_only.0, began);

        let began = Began::now();
        let read: u64 = LOGS.iter().map(|log| read(&place, *log)).sum();
        assert_eq!(read, records);
        rate("log reader, three logs", records, began);

        let began = Began::now();
        let mut replay = Replay::new(plan.clone(), 0);
        rate("empty tables", 0, began);
        let began = Began::now();
        snapshots::follow(&mut replay, &place, None, &mut |_| ()).expect("what was written");
        let replayed = rate("replay, three logs", records, began);
        println!("of plain: {:.2}", replayed / plain_rate);
        let began = Began::now();
        let hash = replay.risk().expect("a state").state_hash();
        rate("hash of the state", 0, began);
        drop(replay);

        let began = Began::now();
        let taken = snapshots::take(plan, &place, None, &mut |_| ()).expect("a snapshot");
        rate("a snapshot is taken", records, began);
        println!("{} bytes", taken.bytes);
        let began = Began::now();
        let (mut replay, _) = snapshots::newest(plan, &place).expect("the snapshot");
        let more = snapshots::follow(&mut replay, &place, None, &mut |_| ());
        assert_eq!(more.expect("good logs"), 0);
        rate("start from it", records, began);
        assert_eq!(replay.risk().expect("a state").state_hash(), hash);
    }
}
