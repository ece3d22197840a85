// Where a service keeps its data: the URL that its store factory (services/NAME/store_factory.h) opens by its
// scheme.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace boxoffice::module {

// Of a service whose configuration names none: a file of its own in its process' data folder.
[[nodiscard]] std::string DefaultStoreUrl(const std::filesystem::path& data_dir);

// The folder of "sqlite:DIR"; empty: it is another URL.
[[nodiscard]] std::filesystem::path SqliteFolder(std::string_view url);

// Whether a URL names a PostgreSQL database ("postgresql://…"), or Redis or a cluster of it ("redis://…",
// "redis+cluster://…": platform/redis/address.h).
[[nodiscard]] bool IsPostgres(std::string_view url);
[[nodiscard]] bool IsRedis(std::string_view url);

// The forms of a service that keeps its data in SQLite or PostgreSQL.
inline constexpr std::string_view kSqlForms = "sqlite:DIR or postgresql://USER@HOST/DATABASE";

// That a service has no store for this URL; `known` lists the forms that it has. Reason: store_url
// (kInvalidArgument). A password in the URL is masked.
[[nodiscard]] std::unexpected<Error> NoStoreFor(std::string_view url, std::string_view known);

}  // namespace boxoffice::module
