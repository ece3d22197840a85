#include "boxoffice/backup.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "boxoffice/folder_files.h"
#include "boxoffice/rest_command.h"
#include "platform/archive/archive.h"
#include "platform/archive/bus_events.h"
#include "platform/archive/snapshot.h"
#include "platform/bus/bus_factory.h"
#include "platform/obs/metrics.h"

namespace boxoffice {
namespace {

using archive::Row;
using archive::Sink;
using archive::Snapshot;
using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr int kBackupVersion = 1;
constexpr std::string_view kFilesSection = "files";

constexpr int kAttempts = 10;
constexpr uint64_t kPauseMs = 500;

const archive::Table& RecordTable() {
  static const archive::Table table{"backup", {"taken_at_ms", "written_by"}};
  return table;
}

milliseconds Since(SteadyClock::time_point begun) {
  return std::chrono::duration_cast<milliseconds>(SteadyClock::now() - begun);
}

// `step` is what was done last while stores are held.
Result<void> WithinLimit(SteadyClock::time_point begun, Result<void> step) {
  BOXOFFICE_TRY(std::move(step));
  const milliseconds held = Since(begun);
  if (held < kHoldLimit) return {};
  return Fail(Code::kUnavailable, "held_too_long", fmt::format("{} ms", held.count()));
}

Result<std::vector<std::unique_ptr<Snapshot>>> OpenAll(const std::vector<Place>& places) {
  std::vector<std::unique_ptr<Snapshot>> stores;
  for (const Place& place : places) {
    BOXOFFICE_ASSIGN(auto snapshot,
                     FailureOf(place.program.service, place.program.rows.snapshot(place.config.store_url)));
    stores.push_back(std::move(snapshot));
  }
  return stores;
}

Result<Moment> ChooseMoment(const Places& places, const std::vector<Place>& moving) {
  BOXOFFICE_ASSIGN(const auto ends, bus::OpenEnds(places.bus_url(), places.Topics()));
  SeededRandom random(SystemSeed());
  Error last;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) cli::Pause(milliseconds(kPauseMs + random.Next() % kPauseMs));
    Moment moment;
    BOXOFFICE_ASSIGN(moment.stores, OpenAll(moving));
    Result<void> taken = HoldAndTake(moving, *ends, moment);
    if (taken) return moment;
    if (taken.error().code != Code::kUnavailable) return std::unexpected(std::move(taken).error());
    last = std::move(taken).error();
  }
  return Fail(Code::kUnavailable, "stores_busy",
              fmt::format("no moment was found in which all stores could be held; at last: {} ({})",
                          last.detail, last.reason));
}

Result<void> DumpRecord(const Moment& moment, const std::string& written_by, Sink& sink) {
  BOXOFFICE_TRY(sink.Begin(RecordTable()));
  const Row row{ToUnixMs(moment.taken_at), written_by};
  return sink.Add({&row, 1});
}

Result<void> WriteBus(const Places& places, const Moment& moment, archive::Writer& writer, BackedUp& done) {
  const SystemClock clock;
  obs::Registry metrics;
  BOXOFFICE_ASSIGN(const auto bus, bus::OpenBus(places.bus_url(), clock, metrics));
  BOXOFFICE_ASSIGN(
      const archive::Section events,
      FailureOf(kBusSection, writer.Write(kBusSection, archive::kBusEventsVersion, [&](Sink& sink) {
        return archive::DumpEventsUpTo(*bus, moment.ends, sink);
      })));
  done.parts.push_back({events.name, events.rows});
  return {};
}

Result<BackupRecord> ReadRecord(const archive::Reader& reader, const std::filesystem::path& file) {
  const archive::Section* section = reader.Find(kBackupSection);
  if (section == nullptr) {
    return Fail(
        Code::kInvalidArgument, "not_a_backup",
        fmt::format("{} was written by `boxoffice export`: `boxoffice import` reads it", file.string()));
  }
  if (section->version != kBackupVersion) {
    return Fail(Code::kConflict, "archive_version",
                fmt::format("{} was written by another version of Boxoffice: its form is {}, not {}",
                            file.string(), section->version, kBackupVersion));
  }
  class RecordSink final : public Sink {
   public:
    Result<void> Begin(const archive::Table& table) override {
      good_ = table == RecordTable();
      return {};
    }
    Result<void> Add(std::span<const Row> rows) override {
      for (const Row& row : rows) {
        const auto* taken = good_ ? std::get_if<int64_t>(&row[0]) : nullptr;
        const auto* by = good_ ? std::get_if<std::string>(&row[1]) : nullptr;
        if (taken != nullptr && by != nullptr) record = BackupRecord{FromUnixMs(*taken), *by};
      }
      return {};
    }
    std::optional<BackupRecord> record;

   private:
    bool good_ = false;
  } sink;
  BOXOFFICE_TRY(reader.Read(*section, sink));
  if (sink.record) return *sink.record;
  return Fail(Code::kInvalidArgument, "archive_damaged",
              fmt::format("{} does not say when it was taken", file.string()));
}

}  // namespace

// Every event is either in an outbox at this moment, or on the bus before its end, or both: while all are
// held, nobody adds to an outbox and nobody takes from one. What keeps nobody comes first, and takes its
// time.
Result<void> HoldAndTake(const std::vector<Place>& places, bus::EndReader& ends, Moment& moment) {
  const auto service = [&](size_t i) -> std::string_view { return places[i].program.service; };
  for (size_t i = 0; i < places.size(); ++i) {
    if (moment.stores[i]->KeepsNobody()) BOXOFFICE_TRY(FailureOf(service(i), moment.stores[i]->Hold()));
  }
  // What is slow now, a disk or a broker, keeps everybody waiting: so the time is looked at after each step.
  const SteadyClock::time_point begun = SteadyClock::now();
  for (size_t i = 0; i < places.size(); ++i) {
    if (moment.stores[i]->KeepsNobody()) continue;
    BOXOFFICE_TRY(FailureOf(service(i), WithinLimit(begun, moment.stores[i]->Hold())));
  }
  moment.taken_at = SystemClock().Now();
  for (size_t i = 0; i < places.size(); ++i)
    BOXOFFICE_TRY(FailureOf(service(i), WithinLimit(begun, moment.stores[i]->Take())));
  // After the stores of those who consume: what they have had is on the bus.
  BOXOFFICE_ASSIGN(moment.ends, ends.Read(std::max(kHoldLimit - Since(begun), milliseconds(0))));
  for (size_t i = 0; i < places.size(); ++i)
    BOXOFFICE_TRY(FailureOf(service(i), moment.stores[i]->Release()));
  moment.held = Since(begun);
  return WithinLimit(begun, {});
}

Result<std::vector<Moved>> DumpStores(const std::vector<Place>& places, Moment& moment,
                                      archive::Writer& writer) {
  std::vector<Moved> moved;
  for (size_t i = 0; i < places.size(); ++i) {
    const module::ServiceProgram& program = places[i].program;
    BOXOFFICE_ASSIGN(
        const archive::Section section,
        FailureOf(program.service, writer.Write(program.service, program.rows.version,
                                                [&](Sink& sink) { return moment.stores[i]->Dump(sink); })));
    moment.stores[i].reset();
    moved.push_back({section.name, section.rows});
  }
  return moved;
}

Result<BackedUp> Backup(const Places& places, const std::optional<std::filesystem::path>& folder,
                        const std::string& written_by, const std::filesystem::path& file) {
  const std::vector<Place> moving = Moving(places);
  BOXOFFICE_ASSIGN(const std::unique_ptr<archive::Writer> writer, archive::Writer::Create(file));
  BOXOFFICE_ASSIGN(Moment moment, ChooseMoment(places, moving));
  BackedUp done{.taken_at = moment.taken_at, .held = moment.held};
  BOXOFFICE_ASSIGN(done.parts, DumpStores(moving, moment, *writer));
  BOXOFFICE_TRY(WriteBus(places, moment, *writer, done));
  if (folder) {
    // The provider after the service that asks it: what an answer says is true there.
    BOXOFFICE_ASSIGN(const archive::Section files,
                     writer->Write(kFilesSection, kFolderFilesVersion, [&](Sink& sink) {
                       return DumpFolder(*folder, SandboxScratchOf(file), sink);
                     }));
    done.parts.push_back({files.name, files.rows});
  }
  BOXOFFICE_TRY(writer->Write(kBackupSection, kBackupVersion,
                              [&](Sink& sink) { return DumpRecord(moment, written_by, sink); }));
  BOXOFFICE_TRY(writer->Finish());
  return done;
}

std::filesystem::path SandboxScratchOf(const std::filesystem::path& file) {
  return file.string() + ".sandbox";
}

Result<BackupRecord> CheckBackup(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(const std::unique_ptr<archive::Reader> reader, archive::Reader::Open(file));
  BOXOFFICE_ASSIGN(BackupRecord record, ReadRecord(*reader, file));
  BOXOFFICE_TRY(CheckForm(*reader, {std::string(kBackupSection), std::string(kFilesSection)}));
  BOXOFFICE_TRY(reader->Verify());
  return record;
}

Result<std::vector<Moved>> Restore(const Places& places, const std::optional<std::filesystem::path>& folder,
                                   const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(const std::unique_ptr<archive::Reader> reader, archive::Reader::Open(file));
  BOXOFFICE_TRY(ReadRecord(*reader, file));
  const archive::Section* files = reader->Find(kFilesSection);
  if (files != nullptr && files->version != kFolderFilesVersion) {
    return Fail(Code::kConflict, "archive_version",
                fmt::format("{} was written by another version of Boxoffice", file.string()));
  }
  return Load(places, *reader, {std::string(kBackupSection), std::string(kFilesSection)},
              [&]() -> Result<void> {
                if (!folder || files == nullptr) return {};
                return LoadFolder(*folder, [&](Sink& sink) { return reader->Read(*files, sink); });
              });
}

}  // namespace boxoffice
