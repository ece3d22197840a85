#include "boxoffice/private_stores.h"

#include <array>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "platform/bus/bus_factory.h"

namespace boxoffice {
namespace {

constexpr std::chrono::seconds kStopLimit{10};
constexpr std::array<const char*, 5> kInPostgres = {"seat", "reservation", "wallet", "payment", "relay"};
constexpr std::array<const char*, 2> kInRedis = {"queue", "ranking"};

}  // namespace

Result<PrivateStores> PrivateStores::Start(const std::filesystem::path& folder,
                                           const std::optional<std::string>& kafka_class_path) {
  PrivateStores stores;
  BOXOFFICE_ASSIGN(stores.postgres_, servers::PrivatePostgres::Start(folder / "postgres"));
  for (const char* service : kInPostgres) {
    BOXOFFICE_TRY(stores.postgres_->CreateDatabase(service));
    stores.store_urls_[service] = stores.postgres_->Url(service);
  }
  BOXOFFICE_ASSIGN(stores.redis_, servers::PrivateRedis::Start(folder / "redis"));
  for (const char* service : kInRedis) stores.store_urls_[service] = stores.redis_->Url();
  if (kafka_class_path) {
    BOXOFFICE_ASSIGN(stores.kafka_, servers::PrivateKafka::Start(folder / "kafka", *kafka_class_path));
    stores.bus_url_ = bus::ClusterBusUrl(stores.kafka_->Address());
  }
  return stores;
}

std::vector<Server> PrivateStores::servers() const {
  std::vector<Server> all{{"postgresql", fmt::format("127.0.0.1:{}", postgres_->port()), postgres_->pid()},
                          {"redis", fmt::format("127.0.0.1:{}", redis_->port()), redis_->pid()}};
  if (kafka_) all.push_back({"kafka", kafka_->Address(), kafka_->pid()});
  return all;
}

std::vector<std::string> PrivateStores::Look() {
  std::vector<servers::Supervised*> all{&postgres_->process(), &redis_->process()};
  if (kafka_) all.push_back(&kafka_->process());
  std::vector<std::string> news;
  for (servers::Supervised* server : all) {
    if (auto told = server->Look(std::chrono::steady_clock::now())) news.push_back(*std::move(told));
  }
  return news;
}

void PrivateStores::Stop() {
  if (kafka_) kafka_->Stop(kStopLimit);
  if (redis_) redis_->Stop(kStopLimit);
  if (postgres_) postgres_->Stop(kStopLimit);
  kafka_.reset();
  redis_.reset();
  postgres_.reset();
}

}  // namespace boxoffice
