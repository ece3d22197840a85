// The reservation service as a part of a process.
#pragma once

#include <functional>
#include <memory>

#include "platform/module/service_module.h"
#include "services/reservation/service.h"

namespace boxoffice::reservation {

// Where reservations are kept: one of the three factories in which embedded and scaled differ.
struct Stores {
  std::unique_ptr<Store> store;
  std::unique_ptr<Reader> reader;
};
using StoreFactory = std::function<Result<Stores>(const module::Runtime& runtime)>;

// SQLite at data_dir/reservation.db.
[[nodiscard]] Result<Stores> OpenSqliteStores(const module::Runtime& runtime);

// What the sagas call. Made at the start, on the thread that starts the module; used on that of `executor`.
using ParticipantsFactory = std::function<std::unique_ptr<Participants>(asio::any_io_executor executor,
                                                                        const module::Runtime& runtime)>;

// The services behind the runtime's channels.
[[nodiscard]] std::unique_ptr<Participants> ConnectParticipants(asio::any_io_executor executor,
                                                                const module::Runtime& runtime);

struct ReservationConfig {
  StoreFactory open_stores = OpenSqliteStores;
  ParticipantsFactory connect_participants = ConnectParticipants;
  ServiceConfig service;
};

class ReservationModule final : public module::ServiceModule {
 public:
  ReservationModule(const module::Runtime& runtime, ReservationConfig config);
  ~ReservationModule() override;

  [[nodiscard]] std::string_view name() const override { return "reservation"; }
  [[nodiscard]] std::vector<std::string> dependencies() const override {
    return {"queue", "seat", "wallet", "payment"};
  }
  [[nodiscard]] Result<void> Start() override;
  void Drain(std::chrono::milliseconds grace) override;
  void Stop() override;
  [[nodiscard]] std::string Unhealthy() const override;
  [[nodiscard]] std::shared_ptr<grpc::Channel> InProcessChannel() override;

 private:
  struct Parts;
  const module::Runtime& runtime_;
  ReservationConfig config_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace boxoffice::reservation
