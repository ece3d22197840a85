#include "boxoffice/store_look.h"

#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "platform/module/store_url.h"
#include "platform/redis/client.h"
#include "platform/sql/postgres.h"

namespace boxoffice {
namespace {

Result<StoreLook> LookAtPostgres(std::string_view url) {
  BOXOFFICE_ASSIGN(
      const auto connection,
      sql::pg::Connection::Open({.url = std::string(url), .application_name = "boxoffice doctor"}));
  sql::pg::Batch batch;
  batch.Add("SELECT current_setting('server_version'), " BOXOFFICE_PG_NOW_MS);
  const SystemClock clock;
  const Timestamp sent = clock.Now();
  BOXOFFICE_ASSIGN(const auto results, connection->Read(batch));
  const Timestamp received = clock.Now();
  const sql::pg::Row row = results[0][0];
  const std::string_view version = row.Text(0);
  // What time it was there while it was the middle here, as of now.
  const Timestamp there = FromUnixMs(row.Int(1)) + (received - sent) / 2;
  return StoreLook{fmt::format("PostgreSQL {}", version.substr(0, version.find(' '))), there};
}

Result<StoreLook> LookAtRedis(std::string_view url) {
  BOXOFFICE_ASSIGN(const auto client, redis::Client::Open(url, {.command_timeout = std::chrono::seconds(5)}));
  // A key for a cluster's sake: any of its servers will do. Where an ACL forbids INFO, pcall gives the error,
  // as a table.
  static const redis::Script script(
      "local now, info = redis.call('TIME'), redis.pcall('INFO', 'server') "
      "return {now[1] * 1000 + math.floor(now[2] / 1000), "
      "type(info) == 'string' and string.match(info, 'redis_version:(%S+)') or ''}");
  const SystemClock clock;
  const Timestamp sent = clock.Now();
  BOXOFFICE_ASSIGN(const redis::Reply reply,
                   client->Run(redis::Request::Call(script, {std::string("boxoffice:doctor")}, {})));
  const Timestamp received = clock.Now();
  const Timestamp there = FromUnixMs(reply.value()[0].Int()) + (received - sent) / 2;
  const std::string_view version = reply.value()[1].Text();
  return StoreLook{version.empty() ? "Redis" : fmt::format("Redis {}", version), there};
}

}  // namespace

Result<StoreLook> LookAtStore(std::string_view url) {
  if (module::IsPostgres(url)) return LookAtPostgres(url);
  if (module::IsRedis(url)) return LookAtRedis(url);
  const std::filesystem::path folder = module::SqliteFolder(url);
  if (folder.empty()) return module::NoStoreFor(url, "a URL of SQLite, PostgreSQL or Redis");
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    return Fail(Code::kNotFound, "no_store", fmt::format("there is no folder {}", folder.string()));
  return StoreLook{"SQLite", std::nullopt};
}

}  // namespace boxoffice
