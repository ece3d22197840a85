// A whole system's data as of one moment, while it runs, into a file, and from the file into a fresh system.
//
// A restored system is one that has lost its power at that moment, all its parts at once; that it finishes by
// itself what was under way is what recovery is for. docs/adr/0011 says how the stores of several services
// come to be of one moment. The file is an archive (platform/archive), as an export is, with two sections
// more.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "boxoffice/move.h"
#include "boxoffice/places.h"
#include "platform/archive/snapshot.h"
#include "platform/bus/bus_factory.h"

namespace boxoffice {

struct BackedUp {
  std::vector<Moved> parts;
  Timestamp taken_at{};
  // How long the services could not commit.
  std::chrono::milliseconds held{0};
};

// Writes everything into `file`. `folder` is the data folder of a system on one machine: its keys, the record
// of the demo and the provider that the sandbox plays go with it; nullopt: there is none. Errors: those of
// archive::Writer (archive_exists, archive_unwritable), of the stores (no_store, schema_older, schema_newer,
// database_unavailable) and of the bus; stores_busy (kUnavailable: no moment was found in which all could be
// held, in ten attempts). After an error there is no file.
[[nodiscard]] Result<BackedUp> Backup(const Places& places,
                                      const std::optional<std::filesystem::path>& folder,
                                      const std::string& written_by, const std::filesystem::path& file);

// Where the sandbox' database is copied to meanwhile, beside what archive::UnfinishedOf names.
[[nodiscard]] std::filesystem::path SandboxScratchOf(const std::filesystem::path& file);

// How long all stores together may be held: well before a service's statement gives up waiting
// (sql::pg::Config::lock_timeout).
inline constexpr std::chrono::milliseconds kHoldLimit{2'000};

// All stores as of one moment, and where the bus ended then.
struct Moment {
  std::vector<std::unique_ptr<archive::Snapshot>> stores;  // of `places`, in their order
  bus::Ends ends;
  Timestamp taken_at{};
  std::chrono::milliseconds held{0};
};

// Holds and takes what `moment.stores` has just opened, and lets the services go on. After an error some may
// be held still, until `moment` is gone. Errors: those of the stores and of the bus; held_too_long
// (kUnavailable: kHoldLimit passed; what comes after that is not begun).
[[nodiscard]] Result<void> HoldAndTake(const std::vector<Place>& places, bus::EndReader& ends,
                                       Moment& moment);

// Writes what was taken: a section for each place. A store is let go once it is written, as PostgreSQL
// removes no old row while one is held, and the bus, which comes after all of them, may take hours. Errors:
// those of the stores and of archive::Writer.
[[nodiscard]] Result<std::vector<Moved>> DumpStores(const std::vector<Place>& places, Moment& moment,
                                                    archive::Writer& writer);

// What a backup says of itself.
struct BackupRecord {
  Timestamp taken_at{};
  std::string written_by;  // which version
};

// Reads the whole file and checks it, against this program too, and touches nothing. Errors: those of
// archive::Reader (archive_missing, not_an_archive, archive_damaged, archive_version), not_a_backup
// (kInvalidArgument: it is an export).
[[nodiscard]] Result<BackupRecord> CheckBackup(const std::filesystem::path& file);

// Puts everything into stores that are empty, as Import does, and with the same errors; files of the folder
// that are there with another content are refused as well (target_not_empty). One that was broken off goes on
// when it is repeated.
[[nodiscard]] Result<std::vector<Moved>> Restore(const Places& places,
                                                 const std::optional<std::filesystem::path>& folder,
                                                 const std::filesystem::path& file);

}  // namespace boxoffice
