#include "boxoffice/move.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "boxoffice/service_programs.h"
#include "platform/archive/archive.h"
#include "platform/archive/bus_events.h"
#include "platform/bus/bus_factory.h"
#include "platform/obs/metrics.h"

namespace boxoffice {
namespace {

constexpr std::string_view kBus = kBusSection;

// The bus of a system, for as long as this lives.
struct OpenedBus {
  const SystemClock clock;
  obs::Registry metrics;
  std::unique_ptr<bus::Bus> bus;
  [[nodiscard]] Result<void> Open(const std::string& url) {
    BOXOFFICE_ASSIGN(bus, bus::OpenBus(url, clock, metrics));
    return {};
  }
};

Result<archive::Digest> DigestOf(const Place& place) {
  return FailureOf(place.program.service, archive::DigestOf([&](archive::Sink& sink) {
                     return place.program.rows.dump(place.config.store_url, sink);
                   }));
}

// False: the store is empty. Error: target_not_empty.
Result<bool> IsThere(const Place& place, const archive::Section& section) {
  BOXOFFICE_ASSIGN(const archive::Digest digest, DigestOf(place));
  if (digest.rows() == 0) return false;
  if (digest.ToHex() == section.digest) return true;
  return Fail(Code::kConflict, "target_not_empty",
              fmt::format("the store of {} holds {} rows that are not those of the archive: empty it first",
                          section.name, digest.rows()));
}

Result<void> LoadService(const Place& place, const archive::Reader& reader, const archive::Section& section) {
  BOXOFFICE_TRY(
      FailureOf(section.name, place.program.rows.load(place.config.store_url, [&](archive::Sink& sink) {
        return reader.Read(section, sink);
      })));
  BOXOFFICE_ASSIGN(const archive::Digest digest, DigestOf(place));
  if (digest.ToHex() == section.digest) return {};
  return Fail(Code::kInternal, "move_differs",
              fmt::format("the store of {} has {} rows after the import, of {}, or they differ", section.name,
                          digest.rows(), section.rows));
}

Result<void> LoadBus(const Places& places, const archive::Reader& reader, const archive::Section& section) {
  OpenedBus opened;
  BOXOFFICE_TRY(opened.Open(places.bus_url()));
  return FailureOf(kBus, archive::LoadEvents(*opened.bus, places.Topics(), [&](archive::Sink& sink) {
                     return reader.Read(section, sink);
                   }));
}

Result<void> RefuseBackup(const archive::Reader& reader, const std::filesystem::path& file) {
  if (reader.Find(kBackupSection) == nullptr) return {};
  return Fail(Code::kInvalidArgument, "not_an_export",
              fmt::format("{} is a backup: `boxoffice restore` reads it", file.string()));
}

}  // namespace

Result<void> CheckForm(const archive::Reader& reader, const std::set<std::string>& more) {
  std::set<std::string> known = more;
  const auto other = [](std::string_view what) {
    return Fail(
        Code::kConflict, "archive_version",
        fmt::format("the archive is of another version of Boxoffice: {}; use the version that wrote it, or "
                    "export again with this one, which brings the stores up to date",
                    what));
  };
  const auto check = [&](const std::string& name, int64_t version) -> Result<void> {
    const archive::Section* section = reader.Find(name);
    known.insert(name);
    if (section == nullptr) return other(fmt::format("it has no {}", name));
    if (section->version != version)
      return other(fmt::format("{} has the form {}, not {}", name, section->version, version));
    return {};
  };
  for (const module::ServiceProgram& program : ServicePrograms()) {
    if (program.rows.version > 0) BOXOFFICE_TRY(check(program.service, program.rows.version));
  }
  BOXOFFICE_TRY(check(std::string(kBus), archive::kBusEventsVersion));
  for (const archive::Section& section : reader.sections()) {
    if (!known.contains(section.name)) return other(fmt::format("{} is not known here", section.name));
  }
  return {};
}

std::vector<Place> Moving(const Places& places) {
  std::vector<Place> moving;
  std::ranges::copy_if(places.all(), std::back_inserter(moving),
                       [](const Place& place) { return place.program.rows.version > 0; });
  return moving;
}

Result<std::vector<Moved>> Export(const Places& places, const std::filesystem::path& file) {
  std::vector<Moved> moved;
  BOXOFFICE_ASSIGN(const std::unique_ptr<archive::Writer> writer, archive::Writer::Create(file));
  for (const Place& place : Moving(places)) {
    const module::StoreRows& rows = place.program.rows;
    BOXOFFICE_ASSIGN(const archive::Section section,
                     FailureOf(place.program.service,
                               writer->Write(place.program.service, rows.version, [&](archive::Sink& sink) {
                                 return rows.dump(place.config.store_url, sink);
                               })));
    moved.push_back({section.name, section.rows});
  }
  OpenedBus opened;
  BOXOFFICE_TRY(opened.Open(places.bus_url()));
  BOXOFFICE_ASSIGN(const archive::Section events,
                   FailureOf(kBus, writer->Write(kBus, archive::kBusEventsVersion, [&](archive::Sink& sink) {
                     return archive::DumpEvents(*opened.bus, places.Topics(), sink);
                   })));
  moved.push_back({events.name, events.rows});
  BOXOFFICE_TRY(writer->Finish());
  return moved;
}

Result<std::vector<Moved>> Load(const Places& places, const archive::Reader& reader,
                                const std::set<std::string>& known,
                                const std::function<Result<void>()>& before) {
  const std::vector<Place> moving = Moving(places);
  BOXOFFICE_TRY(CheckForm(reader, known));
  BOXOFFICE_TRY(reader.Verify());
  for (const Place& place : places.all())
    BOXOFFICE_TRY(FailureOf(place.program.service, module::Prepare(place.config, place.program)));
  std::vector<Moved> moved;
  for (const Place& place : moving) {
    const archive::Section& section = *reader.Find(place.program.service);
    BOXOFFICE_ASSIGN(const bool there, IsThere(place, section));
    moved.push_back({section.name, section.rows, there});
  }
  if (before) BOXOFFICE_TRY(before());
  // Before the services: what may be refused comes first.
  const archive::Section& events = *reader.Find(kBus);
  BOXOFFICE_TRY(LoadBus(places, reader, events));
  for (size_t i = 0; i < moving.size(); ++i) {
    if (!moved[i].was_there) BOXOFFICE_TRY(LoadService(moving[i], reader, *reader.Find(moved[i].name)));
  }
  moved.push_back({events.name, events.rows});
  return moved;
}

Result<void> CheckExport(const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(const std::unique_ptr<archive::Reader> reader, archive::Reader::Open(file));
  BOXOFFICE_TRY(RefuseBackup(*reader, file));
  return CheckForm(*reader, {});
}

Result<std::vector<Moved>> Import(const Places& places, const std::filesystem::path& file) {
  BOXOFFICE_ASSIGN(const std::unique_ptr<archive::Reader> reader, archive::Reader::Open(file));
  BOXOFFICE_TRY(RefuseBackup(*reader, file));
  return Load(places, *reader, {}, {});
}

}  // namespace boxoffice
