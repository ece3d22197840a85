#include "sim/world.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace boxoffice::sim {
namespace {

constexpr int64_t kRestartUs = 700'000;
constexpr int64_t kPatienceUs = 1'200'000;  // of who waits for a payment process

obs::Registry& Metrics() {
  static obs::Registry metrics;
  return metrics;
}

}  // namespace

World::World(const WorldOptions& options)
    : options_(options),
      scheduler_(options.seed),
      rng_(options.seed),
      metrics_(Metrics()),
      acquirer_(scheduler_, rng_),
      ground_{scheduler_, injector_, rng_, metrics_, bus_, nullptr} {
  ground_.note = [this](std::string text) { Note(std::move(text)); };
  MakeShow();
  seats_.is_offer = [this](ReservationId id) {
    const auto found = reservations_.rows.reservations().find(id);
    return found != reservations_.rows.reservations().end() && found->second.from_waitlist;
  };
  if (options_.acquirer_errs)
    acquirer_.Err([this](const payment::Webhook& webhook, const std::function<void()>& done) {
      TellPayment(webhook, done);
    });
  scheduler_.on_timer = [this](int timer) {
    for (auto& replica : reservation_fleet_.replicas) {
      if (replica && replica->timer() == timer) replica->Poll();
    }
  };
  const auto name = [](const char* service, int i) { return fmt::format("{}-{}", service, i + 1); };
  const int others = options_.other_replicas;
  Fill<SeatProcess>(seat_fleet_, "seat", others, [this, name](int i) {
    return std::make_unique<SeatProcess>(ground_, name("seat", i), Skew(), seats_);
  });
  Fill<WalletProcess>(wallet_fleet_, "wallet", others, [this, name](int i) {
    return std::make_unique<WalletProcess>(ground_, name("wallet", i), Skew(), wallets_);
  });
  Fill<PaymentProcess>(payment_fleet_, "payment", others, [this, name](int i) {
    return std::make_unique<PaymentProcess>(ground_, name("payment", i), Skew(), payments_, acquirer_);
  });
  Fill<ReservationProcess>(
      reservation_fleet_, "reservation", options_.reservation_replicas, [this, name](int i) {
        return std::make_unique<ReservationProcess>(ground_, name("reservation", i), Skew(), reservations_,
                                                    *this, options_.cancel_fee);
      });
  Fill<RankingProcess>(ranking_fleet_, "ranking", options_.ranking_replicas, [this, name](int i) {
    return std::make_unique<RankingProcess>(ground_, name("ranking", i), Skew(), ranking_);
  });
}

World::~World() {
  scheduler_.on_timer = nullptr;
  ranking_fleet_.replicas.clear();
  reservation_fleet_.replicas.clear();
  payment_fleet_.replicas.clear();
  wallet_fleet_.replicas.clear();
  seat_fleet_.replicas.clear();
}

milliseconds World::Skew() {
  const int64_t most = options_.max_skew.count();
  return milliseconds(most == 0 ? 0 : rng_.Between(-most, most));
}

void World::Note(std::string text) {
  for (const char c : text) fingerprint_ = (fingerprint_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  fingerprint_ = (fingerprint_ ^ static_cast<uint64_t>(scheduler_.now_us())) * 0x100000001b3;
  if (options_.trace) timeline_.push_back(fmt::format("{:>7} ms  {}", scheduler_.Since().count(), text));
}

void World::MakeShow() {
  auto layout = std::make_shared<seat::Layout>();
  layout->categories = {{"A", "#f00", kPrice, options_.rows * options_.row_seats}};
  layout->sections = {{"Floor", 0, options_.rows}};
  for (uint32_t row = 0; row < options_.rows; ++row) {
    layout->rows.push_back({std::to_string(row + 1), 0, row * options_.row_seats, options_.row_seats});
    for (uint32_t i = 0; i < options_.row_seats; ++i)
      layout->seats.push_back(
          {std::to_string(i + 1), row, 0, static_cast<float>(i), static_cast<float>(row)});
  }
  // A seat that costs less, for moves.
  layout->seat_prices.assign(layout->seats.size(), 0);
  layout->seat_prices.back() = kPrice / 2;
  layout->NotePlaces();
  layout->NotePrices();
  seat::Show& show = seats_.show;
  show.id = kShow;
  show.concert_id = 1;
  show.starts_at = scheduler_.Now() + std::chrono::hours(24);
  show.currency = *Currency::Parse("KRW");
  show.terms.on_sale_at = scheduler_.Now() - std::chrono::hours(1);
  show.terms.sale_ends_at = show.starts_at;
  show.terms.hold_ttl = options_.hold_ttl;
  show.terms.grace = options_.grace;
  show.terms.seat_limit = show.terms.highest_seat_limit = 3;
  show.layout = std::move(layout);
  seats_.layouts.emplace_back(scheduler_.Now(), show.layout);
  seats_.terms.emplace_back(scheduler_.Now(), show.terms);
}

std::vector<std::string> World::ChannelsOf(const std::string& buyer) {
  const bool is_fan = buyer.starts_with("buyer-") && buyer.back() % 2 == 1;
  return is_fan ? std::vector<std::string>{kChannel} : std::vector<std::string>();
}

template <typename P>
void World::Fill(Fleet<P>& fleet, std::string service, int count,
                 std::function<std::unique_ptr<P>(int)> start) {
  fleet.service = std::move(service);
  fleet.start = std::move(start);
  for (int i = 0; i < count; ++i) fleet.replicas.push_back(fleet.start(i));
}

// One that may be asked; it may have died a moment ago, as a caller can't know.
template <typename P>
P* World::Choose(Fleet<P>& fleet) {
  if (fleet.cut_off_until_us > scheduler_.now_us()) return nullptr;
  const size_t first = rng_.Below(fleet.replicas.size());
  for (size_t i = 0; i < fleet.replicas.size(); ++i) {
    P* const replica = fleet.replicas[(first + i) % fleet.replicas.size()].get();
    if (replica != nullptr && !replica->dead()) return replica;
  }
  return nullptr;
}

// What died is taken away, and comes again after a while.
template <typename P>
void World::Bury(Fleet<P>& fleet) {
  for (size_t i = 0; i < fleet.replicas.size(); ++i) {
    if (!fleet.replicas[i] || !fleet.replicas[i]->dead()) continue;
    fleet.replicas[i].reset();
    const int64_t after = rng_.Between(kRestartUs / 10, kRestartUs * 3);
    scheduler_.After(after, nullptr, [this, &fleet, i] {
      fleet.replicas[i] = fleet.start(static_cast<int>(i));
      Note(fmt::format("{}-{} starts", fleet.service, i + 1));
    });
  }
}

void World::BuryAll() {
  Bury(seat_fleet_);
  Bury(wallet_fleet_);
  Bury(payment_fleet_);
  Bury(reservation_fleet_);
  Bury(ranking_fleet_);
}

template <typename P>
void World::Disturb(Fleet<P>& fleet) {
  if (fleet.replicas.empty()) return;
  auto& victim = fleet.replicas[rng_.Below(fleet.replicas.size())];
  switch (rng_.Below(4)) {
    case 0:
      if (victim && !victim->dead()) victim->Die("any moment");
      return;
    case 1:
      if (victim && !victim->dead()) victim->Pause(rng_.Between(200'000, 6'000'000));
      return;
    case 2:
      fleet.cut_off_until_us = scheduler_.now_us() + rng_.Between(500'000, 6'000'000);
      Note(fmt::format("{} can't be reached", fleet.service));
      return;
    default:
      return;
  }
}

void World::StartWeather(milliseconds until) { Weather(until.count() * 1'000 + Scheduler::kStartUs); }

void World::Weather(int64_t until_us) {
  if (scheduler_.now_us() >= until_us) return;
  switch (rng_.Below(6)) {
    case 0:
      Disturb(seat_fleet_);
      break;
    case 1:
      Disturb(wallet_fleet_);
      break;
    case 2:
      Disturb(payment_fleet_);
      break;
    case 3:
      Disturb(ranking_fleet_);
      break;
    default:
      Disturb(reservation_fleet_);
  }
  scheduler_.After(rng_.Between(500'000, 6'000'000), nullptr, [this, until_us] { Weather(until_us); });
}

void World::SendAcquirerAway(milliseconds in, milliseconds length) {
  scheduler_.After(in.count() * 1'000, nullptr, [this, length] {
    acquirer_.away_until_us = scheduler_.now_us() + length.count() * 1'000;
    Note(fmt::format("the acquirer is away for {} ms", length.count()));
  });
}

void World::CutSeatsOffAtOffer(milliseconds length) {
  reservations_.on_offer = [this, length] {
    reservations_.on_offer = nullptr;
    seat_fleet_.cut_off_until_us = scheduler_.now_us() + length.count() * 1'000;
    Note(fmt::format("seat can't be reached for {} ms", length.count()));
  };
}

// The acquirer waits for an answer, and tells again until it has one.
void World::TellPayment(const payment::Webhook& webhook, const std::function<void()>& done) {
  scheduler_.After(rng_.Between(100, 400'000), nullptr, [this, webhook, done] {
    const auto taken = std::make_shared<bool>(false);
    if (PaymentProcess* const to = Choose(payment_fleet_)) {
      scheduler_.After(0, to->life(), [to, webhook, taken] {
        to->Execute({webhook, {}, {}}, kPatienceUs,
                    [taken](const Reply& reply) { *taken = reply.result.kind == StepResult::Kind::kDone; });
      });
    }
    scheduler_.After(kPatienceUs, nullptr,
                     [this, webhook, done, taken] { *taken ? done() : TellPayment(webhook, done); });
  });
}

void World::AskAsOperator(OperatorAsks asks, std::function<void(bool done)> told) {
  scheduler_.After(rng_.Between(100, 3'000), nullptr, [this, asks = std::move(asks), told = std::move(told)] {
    SeatProcess* const to = Choose(seat_fleet_);
    if (to == nullptr) return;
    scheduler_.After(0, to->life(), [this, to, asks, told] {
      to->Operate(asks, [this, to, told](const Result<seat::Outcome>& outcome) {
        const Fault fault = to->At(PointKind::kReply, "operator");
        if (!outcome || fault == Fault::kReplyLost || fault == Fault::kDelayed) return;
        scheduler_.After(rng_.Between(100, 3'000), nullptr,
                         [told, done = outcome->kind == seat::Outcome::Kind::kDone] { told(done); });
      });
    });
  });
}

void World::SettleRefused() {
  for (const auto& [key, row] : payments_.payments) {
    bool refused = !row.settled() && !row.dispute.refusal.empty();
    for (const auto& [part_key, part] : payments_.refunds)
      refused = refused || (part_key.first == key && !part.done && !part.dispute.refusal.empty());
    PaymentProcess* const to = refused ? Choose(payment_fleet_) : nullptr;
    if (to == nullptr) continue;
    scheduler_.After(rng_.Between(100, 3'000), to->life(), [to, key] {
      to->Execute({payment::SettleOutside{key, "operator", "by a transfer"}, {}, {}}, kPatienceUs,
                  [](const Reply&) {});
    });
  }
}

Directory::Target World::Seat(seat::Command command, int64_t timeout_us) {
  SeatProcess* const to = Choose(seat_fleet_);
  if (to == nullptr) return {};
  return {to->life(),
          [to, command, timeout_us](const Answer& answer) { to->Execute(command, timeout_us, answer); }};
}
Directory::Target World::Show(ShowAsk ask) {
  SeatProcess* const to = Choose(seat_fleet_);
  if (to == nullptr) return {};
  return {to->life(), [to, ask](const Answer& answer) { to->Execute(ask, answer); }};
}
Directory::Target World::Wallet(wallet::Command command, int64_t timeout_us) {
  WalletProcess* const to = Choose(wallet_fleet_);
  if (to == nullptr) return {};
  return {to->life(), [to, command, timeout_us](const Answer& answer) {
            to->Execute(command, timeout_us,
                        [answer](const Result<wallet::Outcome>& outcome) { answer(ReplyOf(outcome)); });
          }};
}
Directory::Target World::Payment(payment::Command command, int64_t timeout_us) {
  PaymentProcess* const to = Choose(payment_fleet_);
  if (to == nullptr) return {};
  return {to->life(),
          [to, command, timeout_us](const Answer& answer) { to->Execute(command, timeout_us, answer); }};
}
// A model of what the saga needs of the queue: each bind once, and tombstones.
Directory::Target World::Queue(bool bind, SagaId key) {
  return {queue_life_, [this, bind, key](const Answer& answer) {
            Reply reply;
            if (!bind) {
              bound_.erase(key);
              unbound_.insert(key);
            } else if (unbound_.contains(key)) {
              reply.result.kind = StepResult::Kind::kAborted;
            } else {
              bound_.insert(key);
            }
            answer(reply);
          }};
}

bool World::NoteFirst(SagaId saga, const std::string& name) { return come_.emplace(saga, name).second; }

template <typename T>
void World::AskReservation(std::string_view name, ReservationProcess::Begin<T> begin, Told<T> done) {
  scheduler_.After(rng_.Between(100, 3'000), nullptr,
                   [this, name = std::string(name), begin = std::move(begin), done = std::move(done)] {
                     ReservationProcess* const to = Choose(reservation_fleet_);
                     if (to == nullptr) return done(Fail(Code::kUnavailable, "connection_refused"));
                     scheduler_.After(0, to->life(), [this, to, name, begin, done] {
                       to->Execute<T>(begin, [this, to, name, done](const Result<T>& answer) {
                         TellFrom(*to, name, [done, answer] { done(answer); });
                       });
                     });
                   });
}
template void World::AskReservation(std::string_view, ReservationProcess::Begin<reservation::Answer>,
                                    Told<reservation::Answer>);
template void World::AskReservation(std::string_view, ReservationProcess::Begin<reservation::WaitlistEntry>,
                                    Told<reservation::WaitlistEntry>);
template void World::AskReservation(std::string_view, ReservationProcess::Begin<reservation::Cancellation>,
                                    Told<reservation::Cancellation>);

void World::TellFrom(Process& from, const std::string& name, const std::function<void()>& tell) {
  const Fault fault = from.At(PointKind::kReply, name);
  if (fault == Fault::kCrashBefore || fault == Fault::kReplyLost) {
    if (fault == Fault::kCrashBefore) from.Die(name);
    return;
  }
  const int64_t delay = fault == Fault::kDelayed ? kLateUs : rng_.Between(100, 3'000);
  scheduler_.After(delay, nullptr, tell);
  if (fault == Fault::kDuplicated) scheduler_.After(delay + rng_.Between(0, kLateUs), nullptr, tell);
  if (fault == Fault::kCrashAfter) from.Die(name);
}

void World::TopUp(const std::string& user_id, const std::string& key, int64_t amount,
                  std::function<void(const Result<wallet::Outcome>&)> done) {
  wallet::TopUp top_up{key, user_id, {amount, seats_.show.currency}};
  scheduler_.After(rng_.Between(100, 3'000), nullptr, [this, top_up, done = std::move(done)] {
    WalletProcess* const to = Choose(wallet_fleet_);
    if (to == nullptr) return done(Fail(Code::kUnavailable, "connection_refused"));
    scheduler_.After(0, to->life(), [this, to, top_up, done] {
      to->Execute({top_up, {}}, 1'000'000, [this, to, done](const Result<wallet::Outcome>& outcome) {
        const Fault fault = to->At(PointKind::kReply, "TopUp");
        if (fault == Fault::kReplyLost || fault == Fault::kDelayed) return;
        scheduler_.After(rng_.Between(100, 3'000), nullptr, [done, outcome] { done(outcome); });
      });
    });
  });
}

bool World::RunUntil(const std::function<bool()>& done, milliseconds limit) {
  const int64_t until_us = scheduler_.now_us() + limit.count() * 1'000;
  int steps = 0;
  while (scheduler_.Step(until_us)) {
    BuryAll();
    if (++steps % 64 == 0) JudgeHolds();
    if (steps % 16 == 0 && done()) return true;
  }
  return done();
}

bool World::IsQuiet() const {
  const bool consumed = ranking_fleet_.replicas.empty() || ranking_.place == bus_.log().size();
  const bool published = reservations_.outbox.rows.empty() && wallets_.outbox.rows.empty() &&
                         payments_.outbox.rows.empty() && seats_.outbox.rows.empty();
  const bool certain = acquirer_.quiet() && std::ranges::all_of(payments_.payments, [](const auto& entry) {
                         return entry.second.settled() && entry.second.refunding == 0;
                       });
  return published && consumed && certain &&
         std::ranges::all_of(reservations_.rows.reservations(),
                             [](const auto& entry) {
                               return entry.second.saga.status == reservation::SagaStatus::kDone &&
                                      entry.second.state != reservation::State::kHeld;
                             }) &&
         JudgeWaitlist().empty();
}

}  // namespace boxoffice::sim
