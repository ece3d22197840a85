#include "platform/module/store_url.h"

#include <fmt/format.h>

#include "platform/config/keys.h"

namespace boxoffice::module {
namespace {

constexpr std::string_view kSqlite = "sqlite:";

}  // namespace

std::string DefaultStoreUrl(const std::filesystem::path& data_dir) {
  return fmt::format("{}{}", kSqlite, data_dir.string());
}

std::filesystem::path SqliteFolder(std::string_view url) {
  return url.starts_with(kSqlite) ? url.substr(kSqlite.size()) : std::string_view();
}

bool IsPostgres(std::string_view url) {
  return url.starts_with("postgresql://") || url.starts_with("postgres://");
}

bool IsRedis(std::string_view url) { return url.starts_with("redis://") || url.starts_with("redis+"); }

std::unexpected<Error> NoStoreFor(std::string_view url, std::string_view known) {
  return Fail(Code::kInvalidArgument, "store_url",
              fmt::format("store.url is {}, not \"{}\"", known, config::MaskPassword(url)));
}

}  // namespace boxoffice::module
