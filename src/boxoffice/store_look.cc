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
  batch.Add("SELECT current_setting('server_version'), " BOXOFFICE_PG_NOW_MS
            ", current_setting('fsync'), current_setting('full_page_writes')");
  const SystemClock clock;
  const Timestamp sent = clock.Now();
  BOXOFFICE_ASSIGN(const auto results, connection->Read(batch));
  const Timestamp received = clock.Now();
  const sql::pg::Row row = results[0][0];
  const std::string_view version = row.Text(0);
  // What time it was there while it was the middle here, as of now.
  const Timestamp there = FromUnixMs(row.Int(1)) + (received - sent) / 2;
  StoreLook look{fmt::format("PostgreSQL {}", version.substr(0, version.find(' '))), there};
  if (row.Text(2) == "off")
    look.risks.emplace_back("fsync is off: a crash of its machine loses what was sold");
  if (row.Text(3) == "off")
    look.risks.emplace_back("full_page_writes is off: a crash of its machine may leave torn pages");
  return look;
}

Result<StoreLook> LookAtRedis(std::string_view url) {
  BOXOFFICE_ASSIGN(const auto client, redis::Client::Open(url, {.command_timeout = std::chrono::seconds(5)}));
  // A key for a cluster's sake: any of its servers will do. Where an ACL forbids INFO, pcall gives the error,
  // as a table.
  static const redis::Script script(
      "local now, info = redis.call('TIME'), redis.pcall('INFO') "
      "local function of(name) return type(info) == 'string' and string.match(info, name .. ':(%S+)') or '' "
      "end "
      "return {now[1] * 1000 + math.floor(now[2] / 1000), "
      "of('redis_version'), of('maxmemory_policy'), of('aof_enabled')}");
  const SystemClock clock;
  const Timestamp sent = clock.Now();
  BOXOFFICE_ASSIGN(const redis::Reply reply,
                   client->Run(redis::Request::Call(script, {std::string("boxoffice:doctor")}, {})));
  const Timestamp received = clock.Now();
  const Timestamp there = FromUnixMs(reply.value()[0].Int()) + (received - sent) / 2;
  const std::string_view version = reply.value()[1].Text();
  StoreLook look{version.empty() ? "Redis" : fmt::format("Redis {}", version), there};
  const std::string_view policy = reply.value()[2].Text();
  if (!policy.empty() && policy != "noeviction")
    look.risks.push_back(
        fmt::format("maxmemory-policy is {}: a key that is evicted is a lost place", policy));
  if (reply.value()[3].Text() == "0")
    look.risks.emplace_back("appendonly is no: a restart of it loses every place since its last snapshot");
  return look;
}

}  // namespace

Result<StoreLook> LookAtStore(std::string_view url, std::string_view service) {
  if (module::IsPostgres(url)) return LookAtPostgres(url);
  if (module::IsRedis(url)) return LookAtRedis(url);
  const std::filesystem::path folder = module::SqliteFolder(url);
  if (folder.empty()) return module::NoStoreFor(url, "a URL of SQLite, PostgreSQL or Redis");
  const std::filesystem::path file = folder / fmt::format("{}.db", service);
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error))
    return Fail(Code::kNotFound, "no_store", fmt::format("there is no {}", file.string()));
  return StoreLook{"SQLite", std::nullopt};
}

}  // namespace boxoffice
