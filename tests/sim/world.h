// One run: databases, processes that come and go, a network between them, and the checks at the end. The same
// options give the same run, event by event.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "audit/invariants.h"
#include "sim/consumer.h"
#include "sim/faults.h"
#include "sim/history.h"
#include "sim/services.h"

namespace boxoffice::sim {

struct WorldOptions {
  uint64_t seed = 1;
  int reservation_replicas = 1;
  int other_replicas = 1;
  int ranking_replicas = 0;
  milliseconds max_skew{0};
  uint32_t rows = 2;  // of seats
  uint32_t row_seats = 4;
  milliseconds hold_ttl{20'000};
  milliseconds grace{0};
  int64_t cancel_fee = 0;  // of each seat
  bool acquirer_errs = false;
  bool trace = false;
};

class World final : public Directory {
 public:
  static constexpr int64_t kShow = 7;
  static constexpr int64_t kPrice = 1'000;
  static constexpr const char* kChannel = "fans";
  // Of a buyer: every second one is a fan.
  [[nodiscard]] static std::vector<std::string> ChannelsOf(const std::string& buyer);

  explicit World(const WorldOptions& options);
  ~World() override;

  [[nodiscard]] Scheduler& scheduler() { return scheduler_; }
  [[nodiscard]] Injector& injector() { return injector_; }
  [[nodiscard]] Rng& rng() { return rng_; }
  [[nodiscard]] const WorldOptions& options() const { return options_; }

  // What clients ask of a replica; `done` may never be called.
  template <typename T>
  using Told = std::function<void(const Result<T>&)>;
  template <typename T>
  void AskReservation(std::string_view name, ReservationProcess::Begin<T> begin, Told<T> done);
  void TopUp(const std::string& user_id, const std::string& key, int64_t amount,
             std::function<void(const Result<wallet::Outcome>&)> done);
  // Chaos that no single point makes: deaths, pauses, services that can't be reached. Until `until`.
  void StartWeather(milliseconds until);
  // In so long, and for so long, the acquirer is away.
  void SendAcquirerAway(milliseconds in, milliseconds length);
  // Once seats are sought for somebody who waits, no replica of seat can be reached for so long.
  void CutSeatsOffAtOffer(milliseconds length);

  [[nodiscard]] bool show_cancelled() const { return reservations_.cancelled_at.has_value(); }

  // What an operator asks of a replica of seat, and whether it was done; `told` may never be called.
  using OperatorAsks = std::function<void(seat::SeatService&, seat::SeatService::Done)>;
  void AskAsOperator(OperatorAsks asks, std::function<void(bool done)> told);

  // An operator settles outside of the acquirer what that refuses to give back: it is asked once more first.
  void SettleRefused();

  // Runs until `done`, or that long, and looks now and then at what is held. False: not done by then.
  bool RunUntil(const std::function<bool()>& done, milliseconds limit);
  // No saga is unfinished, no hold is left over, no payment is in doubt, and every event is on the bus.
  [[nodiscard]] bool IsQuiet() const;
  // Everything that is wrong now, or was while it ran, each in a line.
  [[nodiscard]] std::vector<std::string> Judge(const std::vector<Operation>& history);
  // What an operator has settled outside of the acquirer, by reservation.
  [[nodiscard]] std::map<ReservationId, int64_t> SettledOutside() const;
  // Reservations whose money is back, or whose hold has ended, because the show was cancelled.
  [[nodiscard]] size_t EndedByShow() const;
  // Payments whose money was taken after they had ended.
  [[nodiscard]] size_t CapturedLate() const;
  // Events that came to the bus late, and that another publisher had published meanwhile.
  [[nodiscard]] size_t Overtaken() const { return bus_.overtaken(); }
  // Seats that no row has an owner of.
  [[nodiscard]] std::vector<uint32_t> FreeSeats() const;
  [[nodiscard]] FinalRead Read() const;
  [[nodiscard]] const ReservationDb& reservations() const { return reservations_; }
  [[nodiscard]] const SeatDb& seats() const { return seats_; }
  // Once it has heard of all, each replica shows every seat as it is, and knows its show.
  void JudgeMaps();
  [[nodiscard]] const std::map<reservation::EntryKey, reservation::WaitlistEntry>& places() const {
    return reservations_.shows.entries;
  }
  // Of the show; none: nobody has cancelled it.
  [[nodiscard]] std::optional<reservation::CancellationState> cancellation() const;
  // What is wrong with the waitlist where all is quiet.
  [[nodiscard]] std::vector<std::string> JudgeWaitlist() const;
  // By how much two clocks may differ.
  [[nodiscard]] milliseconds BetweenClocks() const { return options_.max_skew * 2 + milliseconds(1); }
  // With trace: what happened, each with its time. And a number that two runs share only if all of it is the
  // same.
  [[nodiscard]] const std::vector<std::string>& timeline() const { return timeline_; }
  [[nodiscard]] uint64_t fingerprint() const { return fingerprint_; }

  Target Seat(seat::Command command, int64_t timeout_us) override;
  Target Show(ShowAsk ask) override;
  Target Wallet(wallet::Command command, int64_t timeout_us) override;
  Target Payment(payment::Command command, int64_t timeout_us) override;
  Target Queue(bool bind, SagaId key) override;
  bool NoteFirst(SagaId saga, const std::string& name) override;

 private:
  template <typename P>
  struct Fleet {
    std::string service;
    std::vector<std::unique_ptr<P>> replicas;  // null: dead, and not restarted yet
    std::function<std::unique_ptr<P>(int)> start;
    int64_t cut_off_until_us = 0;
  };
  template <typename P>
  P* Choose(Fleet<P>& fleet);
  template <typename P>
  void Bury(Fleet<P>& fleet);
  template <typename P>
  void Fill(Fleet<P>& fleet, std::string service, int count, std::function<std::unique_ptr<P>(int)> start);
  template <typename P>
  void Disturb(Fleet<P>& fleet);
  void Weather(int64_t until_us);
  void BuryAll();
  void Note(std::string text);
  void TellFrom(Process& from, const std::string& name, const std::function<void()>& tell);
  void MakeShow();
  void TellPayment(const payment::Webhook& webhook, const std::function<void()>& done);
  [[nodiscard]] milliseconds Skew();
  [[nodiscard]] std::vector<audit::Case> Cases() const;
  [[nodiscard]] audit::ShowFact ShowFact() const;
  [[nodiscard]] audit::LedgerFact Ledger() const;
  void JudgeHolds();
  void JudgeAcquirer(std::vector<std::string>& wrong) const;
  void JudgeRanking(std::vector<std::string>& wrong) const;
  void JudgeFees(std::vector<std::string>& wrong) const;
  void JudgeCancelledShow(const std::vector<Operation>& history, std::vector<std::string>& wrong) const;

  const WorldOptions options_;
  Scheduler scheduler_;
  Rng rng_;
  Injector injector_;
  obs::Registry& metrics_;
  SimBus bus_;
  Acquirer acquirer_;
  ReservationDb reservations_;
  WalletDb wallets_;
  PaymentDb payments_;
  SeatDb seats_;
  RankingDb ranking_;
  std::set<SagaId> bound_;
  std::set<SagaId> unbound_;                       // tombstones
  std::set<std::pair<SagaId, std::string>> come_;  // actions that have come to their participants
  std::shared_ptr<Life> queue_life_ = std::make_shared<Life>();
  std::vector<std::string> timeline_;
  uint64_t fingerprint_ = 0;
  std::set<std::string> wrong_meanwhile_;
  Ground ground_;
  Fleet<SeatProcess> seat_fleet_;
  Fleet<WalletProcess> wallet_fleet_;
  Fleet<PaymentProcess> payment_fleet_;
  Fleet<ReservationProcess> reservation_fleet_;
  Fleet<RankingProcess> ranking_fleet_;
};

}  // namespace boxoffice::sim
