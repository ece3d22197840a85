// The databases of the simulation: tables in memory that keep what a commit has written, and the stores that
// one process sees them by, with what may go wrong at a commit. They hold to the stores' contracts: rows that
// have moved since they were loaded are not overwritten.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "services/payment/store.h"
#include "services/reservation/show_store.h"
#include "services/reservation/store.h"
#include "services/reservation/store_memory.h"
#include "services/reservation/store_show_memory.h"
#include "services/seat/store.h"
#include "services/wallet/store.h"
#include "sim/process.h"

namespace boxoffice::sim {

struct ReservationDb {
  reservation::MemoryStore rows;
  reservation::MemoryShows shows;
  Outbox outbox;
  std::vector<std::string> violations;  // of what only a look at each write shows
  // An operator has cancelled the show: its intent, and when it was written.
  std::optional<Timestamp> cancelled_at;
  std::map<ReservationId, size_t> left_to_show;     // seats of what was bought, as its show ended it
  std::map<ReservationId, size_t> given_for_free;   // seats that were cancelled, and whose fee nobody owes
  std::map<ReservationId, Timestamp> fee_taken_at;  // when the last intent that took a fee was written
  std::function<void()> on_offer;                   // its place is about to say so; may be empty
  std::set<uint64_t> refused_places;  // on the waitlist, that were once offered seats and got none
};
struct WalletDb {
  std::map<wallet::WalletKey, wallet::WalletRow> wallets;
  std::map<SagaId, wallet::DebitRow> debits;
  std::map<wallet::TopUpKey, wallet::TopUpRow> top_ups;
  std::map<wallet::PartKey, wallet::PartRow> parts;
  std::vector<wallet::Entry> entries;
  Outbox outbox;
};
struct PaymentDb {
  std::map<payment::PaymentKey, payment::Payment> payments;
  std::map<std::pair<payment::PaymentKey, SagaId>, payment::Refund> refunds;
  std::set<payment::WebhookKey> webhooks;
  Outbox outbox;
};
// A seat has become a reservation's.
struct SeatTaken {
  seat::SeatNo seat = 0;
  std::string user;
  int64_t price = 0;
  bool by_move = false;
  Timestamp at{};           // of the commit
  Timestamp decided_at{};   // by the clock of its process, or earlier, if the reservation had others by then
  Timestamp known_since{};  // when its process had last learned what operators had changed
};
struct SeatDb {
  seat::Show show;
  seat::ShowMarks marks;
  std::map<SagaId, seat::SagaRow> sagas;
  std::map<seat::BuyerKey, seat::BuyerRow> buyers;
  std::map<seat::SeatKey, seat::SeatRow> seats;
  std::vector<seat::SeatRow> news;         // as they were saved
  std::optional<Timestamp> sale_ended_at;  // as the show was cancelled
  std::vector<SeatTaken> taken;
  // What operators have changed, from when on; and by process, when it has last learned of it.
  std::vector<std::pair<Timestamp, std::shared_ptr<const seat::Layout>>> layouts;
  std::vector<std::pair<Timestamp, seat::ShowTerms>> terms;
  std::map<std::string, Timestamp> looked_at;
  std::optional<Timestamp> kept_since;          // free seats, for the waitlist alone
  std::function<bool(ReservationId)> is_offer;  // to somebody on the waitlist
  Outbox outbox;
  std::vector<std::string> violations;  // as those of reservations
};

[[nodiscard]] std::unique_ptr<reservation::Store> OpenReservations(ReservationDb& db, Process& process);
[[nodiscard]] std::unique_ptr<reservation::Reader> ReadReservations(ReservationDb& db, Process& process);
[[nodiscard]] std::unique_ptr<reservation::ShowStore> OpenShows(ReservationDb& db, Process& process);
[[nodiscard]] std::unique_ptr<reservation::ShowReader> ReadShows(ReservationDb& db, Process& process);
[[nodiscard]] std::unique_ptr<wallet::Store> OpenWallets(WalletDb& db, Process& process);
[[nodiscard]] std::unique_ptr<payment::Store> OpenPayments(PaymentDb& db, Process& process);
[[nodiscard]] std::unique_ptr<payment::Reader> ReadPayments(PaymentDb& db, Process& process);
// `commands`: it is the one that the executor commits by.
[[nodiscard]] std::unique_ptr<seat::Store> OpenSeats(SeatDb& db, Process& process);

}  // namespace boxoffice::sim
