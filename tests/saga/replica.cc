#include "saga/replica.h"

#include <utility>

#include <boost/asio/post.hpp>

#include "base/check.h"

namespace boxoffice::faults {
namespace {

using reservation::Hall;
using reservation::Shows;
using reservation::ShowView;

Error Dead() { return {Code::kUnavailable, "dead", "this replica is dead, or cut off"}; }

// Carries a call out while the replica lives.
template <typename T, typename Call>
asio::awaitable<Result<T>> Try(Life& life, Call& call) {
  if (life.shows_cut_off() || !life.Begin()) co_return std::unexpected(Dead());
  Result<T> answer = co_await call();
  if (!life.End()) co_return std::unexpected(Dead());
  co_return answer;
}
template <typename Call>
asio::awaitable<StepResult> TryStep(Life& life, Call& call) {
  StepResult lost;
  lost.kind = StepResult::Kind::kUnavailable;
  lost.error = Dead();
  if (life.sagas_cut_off() || !life.Begin()) co_return lost;
  StepResult result = co_await call();
  if (!life.End()) co_return lost;
  co_return result;
}

class MortalShows final : public Shows {
 public:
  MortalShows(std::unique_ptr<Shows> real, Life& life) : real_(std::move(real)), life_(life) {}
  asio::awaitable<Result<ShowView>> Get(int64_t show_id) override {
    auto call = [&] { return real_->Get(show_id); };
    co_return co_await Try<ShowView>(life_, call);
  }
  asio::awaitable<Result<void>> Cancel(int64_t show_id) override {
    auto call = [&] { return real_->Cancel(show_id); };
    co_return co_await Try<void>(life_, call);
  }
  asio::awaitable<Result<Hall>> SeeSeats(int64_t show_id) override {
    auto call = [&] { return real_->SeeSeats(show_id); };
    co_return co_await Try<Hall>(life_, call);
  }
  asio::awaitable<Result<ShowView>> SetWaitlistFirst(int64_t show_id, bool first) override {
    auto call = [&] { return real_->SetWaitlistFirst(show_id, first); };
    co_return co_await Try<ShowView>(life_, call);
  }

 private:
  const std::unique_ptr<Shows> real_;
  Life& life_;
};

class MortalParticipants final : public Participants {
 public:
  MortalParticipants(std::unique_ptr<Participants> real, Life& life) : real_(std::move(real)), life_(life) {}
  asio::awaitable<StepResult> BindQueue(const Reservation& r) override {
    auto call = [&] { return real_->BindQueue(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> UnbindQueue(const Reservation& r, SagaId bound) override {
    auto call = [&] { return real_->UnbindQueue(r, bound); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> CompleteQueue(const Reservation& r) override {
    auto call = [&] { return real_->CompleteQueue(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> HoldSeats(Reservation& r, Timestamp until) override {
    auto call = [&] { return real_->HoldSeats(r, until); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> KeepSeats(Reservation& r) override {
    auto call = [&] { return real_->KeepSeats(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> ConfirmSeats(const Reservation& r) override {
    auto call = [&] { return real_->ConfirmSeats(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> ReleaseSeats(const Reservation& r) override {
    auto call = [&] { return real_->ReleaseSeats(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> DebitWallet(const Reservation& r) override {
    auto call = [&] { return real_->DebitWallet(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> RefundWallet(const Reservation& r, SagaId debit_saga) override {
    auto call = [&] { return real_->RefundWallet(r, debit_saga); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> ApprovePayment(const Reservation& r) override {
    auto call = [&] { return real_->ApprovePayment(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> CancelPayment(const Reservation& r, uint32_t attempt) override {
    auto call = [&] { return real_->CancelPayment(r, attempt); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> ReleaseOnly(const Reservation& r, std::vector<uint32_t> seat_nos) override {
    auto call = [&] { return real_->ReleaseOnly(r, seat_nos); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> MoveSeats(Reservation& r) override {
    auto call = [&] { return real_->MoveSeats(r); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> RefundPartOfDebit(const Reservation& r, int64_t amount) override {
    auto call = [&] { return real_->RefundPartOfDebit(r, amount); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<StepResult> RefundPartOfPayment(const Reservation& r, int64_t amount) override {
    auto call = [&] { return real_->RefundPartOfPayment(r, amount); };
    co_return co_await TryStep(life_, call);
  }
  asio::awaitable<Result<reservation::CancelPolicy>> GetCancelPolicy(int64_t show_id) override {
    auto call = [&] { return real_->GetCancelPolicy(show_id); };
    co_return co_await Try<reservation::CancelPolicy>(life_, call);
  }

 private:
  const std::unique_ptr<Participants> real_;
  Life& life_;
};

class MortalStore final : public reservation::Store {
 public:
  MortalStore(std::unique_ptr<reservation::Store> real, Life& life) : real_(std::move(real)), life_(life) {}
  Result<reservation::Rows> Load(const reservation::Keys& keys, Timestamp now) override {
    if (life_.dead()) return std::unexpected(Dead());
    return real_->Load(keys, now);
  }
  Result<std::vector<bool>> Save(std::span<const reservation::Change> changes) override {
    if (!life_.Begin()) return std::unexpected(Dead());
    auto saved = real_->Save(changes);
    if (!life_.End()) return std::unexpected(Dead());
    return saved;
  }
  Result<reservation::Forgotten> ForgetRequests(Timestamp, int64_t) override {
    return reservation::Forgotten{};
  }

 private:
  const std::unique_ptr<reservation::Store> real_;
  Life& life_;
};

class MortalShowStore final : public reservation::ShowStore {
 public:
  MortalShowStore(std::unique_ptr<reservation::ShowStore> real, Life& life)
      : real_(std::move(real)), life_(life) {}
  Result<reservation::ShowRows> Load(const reservation::ShowKeys& keys, Timestamp now) override {
    if (life_.dead()) return std::unexpected(Dead());
    return real_->Load(keys, now);
  }
  Result<bool> Save(const reservation::ShowChanges& changes) override {
    if (!life_.Begin()) return std::unexpected(Dead());
    auto saved = real_->Save(changes);
    if (!life_.End()) return std::unexpected(Dead());
    return saved;
  }

 private:
  const std::unique_ptr<reservation::ShowStore> real_;
  Life& life_;
};

}  // namespace

Replica::Replica(World& world, Life& life, const std::string& owner, reservation::ServiceConfig config)
    : random_(std::hash<std::string>()(owner)) {
  const module::Runtime& runtime = world.runtime();
  stores_ = reservation::OpenStores(runtime.store_url, random_).value();
  stores_.store = std::make_unique<MortalStore>(std::move(stores_.store), life);
  stores_.shows = std::make_unique<MortalShowStore>(std::move(stores_.shows), life);
  const auto executor = io_.get_executor();
  const reservation::CallTimeouts calls{.step = std::chrono::seconds(60),
                                        .payment = std::chrono::seconds(60)};
  participants_ =
      std::make_unique<MortalParticipants>(reservation::ConnectParticipants(executor, runtime, calls), life);
  shows_ = std::make_unique<MortalShows>(reservation::ConnectShows(executor, runtime, calls), life);
  config.owner = owner;
  service_ = std::make_unique<reservation::Service>(config, executor, *stores_.store, *stores_.reader,
                                                    *stores_.show_reader, *participants_, runtime.clock,
                                                    random_, metrics_, [] {});
  reservation::ShowServiceConfig shows;
  shows.owner = owner;
  shows.policy = config.policy;
  shows.scan_every = milliseconds(2);
  shows.poll_every = milliseconds(5);
  shows.settle = milliseconds(20);
  show_service_ = std::make_unique<reservation::ShowService>(shows, executor, *stores_.shows,
                                                             *stores_.show_reader, *stores_.reader, *service_,
                                                             *shows_, runtime.clock, random_, metrics_);
  thread_ = std::thread([this] { io_.run(); });
}

// As abruptly as a process that is killed.
Replica::~Replica() {
  io_.stop();
  thread_.join();
  show_service_.reset();
  service_.reset();
  shows_.reset();
  participants_.reset();
}

void Replica::Start() {
  asio::post(io_, [this] {
    service_->StartScanning();
    show_service_->StartWorking();
  });
}

Result<reservation::Cancellation> Replica::Cancel(int64_t show_id) {
  return Await(show_service_->Cancel({show_id, "storm", "root"}));
}

Result<reservation::WaitlistEntry> Replica::Join(int64_t show_id, const std::string& user_id,
                                                 uint32_t count) {
  reservation::SeatChoice wish;
  wish.best_count = count;
  return Await(show_service_->Join({show_id, user_id, wish}));
}

Result<reservation::WaitlistEntry> Replica::Leave(int64_t show_id, const std::string& user_id) {
  return Await(show_service_->Leave({show_id, user_id}));
}

std::vector<reservation::WaitlistEntry> Replica::Waitlist(int64_t show_id) {
  reservation::WaitlistQuery query;
  query.show_id = show_id;
  query.limit = 1'000;
  return stores_.show_reader->List(query).value().entries;
}

// Each look is a claim of the work, and each claim an epoch of its own.
uint64_t Replica::CountLooks(int64_t show_id) {
  const auto work = stores_.show_reader->Work({show_id, reservation::WorkKind::kWaitlist}).value();
  return work ? work->epoch : 0;
}

}  // namespace boxoffice::faults
