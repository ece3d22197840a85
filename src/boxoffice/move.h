// A whole system's data into a file, and from the file into the stores of another system, of whatever kind.
//
// Each service's store is read and written by that service's own code (module::StoreRows); the bus's events
// travel too, for the auditor and for what is made anew from them (the ranking). What is on the way goes on
// there: sagas when their leases end, events that were not published yet, events that were not consumed yet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "boxoffice/places.h"
#include "platform/archive/archive.h"

namespace boxoffice {

struct Moved {
  std::string name;  // of a service, or "bus"
  int64_t rows = 0;
  bool was_there = false;  // at an import: by an earlier one of the same file
};

// Writes everything into `file`. Errors: those of archive::Writer (archive_exists, …), of the stores
// (store_in_use: a service still runs), and of the bus.
[[nodiscard]] Result<std::vector<Moved>> Export(const Places& places, const std::filesystem::path& file);

// Puts everything of `file` into stores that are empty, each service's in one transaction where its store
// knows transactions, and reads it again to compare. Before it writes anything, it checks the whole file and
// all stores. An import that was broken off goes on where it was when it is repeated. Errors: those of
// archive::Reader (archive_damaged, archive_version, …) and of CheckExport, target_not_empty (kConflict: a
// store holds something else), move_differs (kInternal: what was written reads differently), and those of the
// stores and the bus.
[[nodiscard]] Result<std::vector<Moved>> Import(const Places& places, const std::filesystem::path& file);

// Whether Import could begin: looks at the form of the file, and touches nothing. Errors: those of
// archive::Reader::Open, not_an_export (kInvalidArgument: it is a backup), archive_version.
[[nodiscard]] Result<void> CheckExport(const std::filesystem::path& file);

// What Import and Restore do with an archive that is open. Sections of `known` may be in it besides those of
// the services and the bus, of whatever version; `before` is called once all is checked and nothing is
// written.
[[nodiscard]] Result<std::vector<Moved>> Load(const Places& places, const archive::Reader& reader,
                                              const std::set<std::string>& known,
                                              const std::function<Result<void>()>& before);

// Whether an archive has what this program moves, in the form that it knows, and nothing else but `known`.
// Error: archive_version.
[[nodiscard]] Result<void> CheckForm(const archive::Reader& reader, const std::set<std::string>& known);

// The services whose data travels.
[[nodiscard]] std::vector<Place> Moving(const Places& places);

inline constexpr std::string_view kBusSection = "bus";
// What a backup says of itself; an export has none.
inline constexpr std::string_view kBackupSection = "backup";

}  // namespace boxoffice
