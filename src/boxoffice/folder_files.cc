#include "boxoffice/folder_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/sync_folder.h"
#include "platform/archive/sqlite_snapshot.h"

namespace boxoffice {
namespace {

using archive::Row;

constexpr std::string_view kKeys = "keys";
constexpr std::string_view kDemo = "demo";
constexpr std::string_view kSandbox = "payment-sandbox.db";

const archive::Table& FileTable() {
  static const archive::Table table{"file", {"name", "bytes"}};
  return table;
}

struct File {
  std::string name;
  std::string bytes;
};

// Nothing that leads out of the folder, or to a file that the system would not look for.
bool IsKnown(std::string_view name) {
  if (name == kDemo || name == kSandbox) return true;
  if (!name.starts_with("keys/")) return false;
  name.remove_prefix(kKeys.size() + 1);
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos;
}

std::optional<std::string> ReadWhole(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<std::vector<File>> ReadFolder(const std::filesystem::path& folder,
                                     const std::filesystem::path& scratch) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder / kKeys, error)) {
    if (entry.is_regular_file(error))
      names.push_back(fmt::format("{}/{}", kKeys, entry.path().filename().string()));
  }
  std::ranges::sort(names);
  if (std::filesystem::exists(folder / kDemo, error)) names.emplace_back(kDemo);
  std::vector<File> files;
  for (std::string& name : names) {
    std::optional<std::string> bytes = ReadWhole(folder / name);
    if (!bytes) return Fail(Code::kPermissionDenied, "folder_unreadable", (folder / name).string());
    files.push_back({std::move(name), *std::move(bytes)});
  }
  if (std::filesystem::exists(folder / kSandbox, error)) {
    BOXOFFICE_ASSIGN(std::string bytes, archive::CopyOfDatabase(folder / kSandbox, scratch));
    files.push_back({std::string(kSandbox), std::move(bytes)});
  }
  return files;
}

std::unexpected<Error> Unwritable(const std::filesystem::path& file) {
  return Fail(Code::kPermissionDenied, "data_folder_unwritable",
              fmt::format("{}: {}", file.string(), std::strerror(errno)));
}

class FileSink final : public archive::Sink {
 public:
  Result<void> Begin(const archive::Table& table) override {
    if (table == FileTable()) return {};
    return Fail(Code::kInvalidArgument, "archive_schema", "there is no such table of files: " + table.name);
  }
  Result<void> Add(std::span<const Row> rows) override {
    for (const Row& row : rows) {
      const auto* name = std::get_if<std::string>(&row[0]);
      const auto* bytes = std::get_if<std::string>(&row[1]);
      if (name == nullptr || !IsKnown(*name))
        return Fail(Code::kInvalidArgument, "archive_schema", "a data folder has no such file");
      files_.push_back({*name, bytes != nullptr ? *bytes : std::string()});
    }
    return {};
  }
  [[nodiscard]] const std::vector<File>& files() const { return files_; }

 private:
  std::vector<File> files_;
};

}  // namespace

Result<void> WriteFile(const std::filesystem::path& file, std::string_view bytes) {
  std::error_code ignored;
  std::filesystem::create_directories(file.parent_path(), ignored);
  const std::string unfinished = file.string() + ".new";
  const int fd = ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return Unwritable(file);
  bool good = true;
  while (good && !bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    good = written > 0;
    if (good) bytes.remove_prefix(static_cast<size_t>(written));
  }
  good = good && ::fsync(fd) == 0;
  ::close(fd);
  if (!good || ::rename(unfinished.c_str(), file.c_str()) != 0 || !SyncFolder(file.parent_path()))
    return Unwritable(file);
  return {};
}

Result<void> DumpFolder(const std::filesystem::path& folder, const std::filesystem::path& scratch,
                        archive::Sink& sink) {
  BOXOFFICE_ASSIGN(const std::vector<File> files, ReadFolder(folder, scratch));
  BOXOFFICE_TRY(sink.Begin(FileTable()));
  for (const File& file : files) {
    const Row row{file.name, file.bytes};
    BOXOFFICE_TRY(sink.Add({&row, 1}));
  }
  return {};
}

Result<void> LoadFolder(const std::filesystem::path& folder, const archive::Dump& from) {
  FileSink sink;
  BOXOFFICE_TRY(from(sink));
  for (const File& file : sink.files()) {
    const std::optional<std::string> there = ReadWhole(folder / file.name);
    if (!there || *there == file.bytes) continue;
    return Fail(Code::kConflict, "target_not_empty",
                fmt::format("{} is there already, and differs from that of the backup",
                            (folder / file.name).string()));
  }
  for (const File& file : sink.files()) BOXOFFICE_TRY(WriteFile(folder / file.name, file.bytes));
  return {};
}

}  // namespace boxoffice
