// The seats' rows under decision: a batch's commands are run on it one after the other (seat_book.cc those of
// buyers, seat_book_operator.cc those of operators). Pure, and inside of Decide only.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "services/seat/row_overlay.h"
#include "services/seat/seat_book.h"

namespace boxoffice::seat {

// A show while a batch is decided.
struct ShowNow {
  const ShowFacts* facts = nullptr;
  ShowMarks marks;
  int64_t sold = 0;
  int64_t blocked = 0;  // or kept for a channel
};

class Book {
 public:
  Book(const Rows& loaded, Timestamp now, Timestamp forgotten_before);

  void Run(const Command& command);
  Decision Finish();

 private:
  // Seats that a hold aims at; or what it is answered instead.
  struct Target {
    std::vector<SeatNo> seats;  // sorted
    bool recorded = false;      // the saga holds them already
    bool proposed = false;      // by the map
  };

  // None: what the map or an earlier look has said is not true any more.
  std::optional<Outcome> Run(const HoldSeats& hold);
  std::optional<Outcome> Run(const ConfirmSeats& confirm);
  std::optional<Outcome> Run(const ReleaseSeats& release);
  std::optional<Outcome> Run(const KeepSeats& keep);
  std::optional<Outcome> Run(const MoveSeats& move);
  std::optional<Outcome> Run(const SweepSeats& sweep);
  std::optional<Outcome> Run(const TellSoldOut& tell);
  std::optional<Outcome> Run(const BlockSeats& block);
  std::optional<Outcome> Run(const AssignChannel& assign);

  // Of a hold. None of an outcome: nothing is in the way.
  std::optional<Target> TargetOf(const HoldSeats& hold, const SagaRow& saga) const;
  std::optional<Outcome> CheckMaxHold(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                      const ShowNow& show) const;
  std::optional<Outcome> CheckNew(const HoldSeats& hold, const Target& target, const ShowNow& show) const;
  [[nodiscard]] bool AreKept(const HoldSeats& hold, const Target& target) const;
  std::optional<Outcome> CheckLimit(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                    const ShowNow& show) const;
  std::optional<Outcome> CheckTaken(const HoldSeats& hold, const std::vector<SeatNo>& seats,
                                    const ShowNow& show) const;
  Outcome Take(const HoldSeats& hold, const Target& target, ShowNow& show);
  [[nodiscard]] bool WasAssumedInVain(const HoldSeats& hold) const;
  void FreeLapsed(const HoldSeats& hold, const std::vector<SeatNo>& seats);
  void Record(const HoldSeats& hold, const Target& target, bool took);

  // Of what operators ask of many seats.
  static std::optional<Outcome> CheckMany(const ShowNow& show, const std::vector<SeatNo>& seats);
  std::optional<Outcome> CheckNobodys(const ShowNow& show, const std::vector<SeatNo>& seats) const;
  std::optional<Outcome> CheckNoOthers(const ShowNow& show, const AssignChannel& assign) const;
  template <typename Change>
  void ChangeMany(ShowNow& show, const std::vector<SeatNo>& seats, Change change);

  // Of a move.
  std::optional<Outcome> CheckMove(const MoveSeats& move, const ShowNow& show) const;
  void TakeMoved(const MoveSeats& move, ShowNow& show);
  std::vector<SeatNo> ListMoved(const MoveSeats& move);

  [[nodiscard]] bool IsUndone(const SagaRow& saga) const;
  [[nodiscard]] bool AreSold(int64_t show_id, const std::vector<SeatNo>& seats) const;
  static std::optional<Outcome> UnknownSeats(const std::vector<SeatNo>& seats, const ShowNow& show);
  std::optional<Outcome> CheckLost(ReservationId reservation, int64_t show_id,
                                   const std::vector<SeatNo>& seats, const ShowNow& show) const;
  // The buyer's seats as they are listed from now on: those that are the buyer's, and `more`.
  void ListSeats(const BuyerKey& buyer, const std::vector<SeatNo>& more);

  // What the saga sends from now on is aborted.
  void LeaveTombstone(SagaId saga, ReservationId reservation, int64_t show_id);
  SeatRow& ChangeSeat(const SeatKey& key);
  void Free(const SeatKey& key);
  void NoteReleased(const SeatRow& row);
  void FlushReleased();
  void NoteSoldOut(ShowNow& show);
  void Emit(Event event) { decision_.changes.events.push_back(std::move(event)); }
  Outcome Done(const std::vector<SeatNo>& seats, const ShowNow& show) const;
  [[nodiscard]] Timestamp ExpiryOf(int64_t show_id, const std::vector<SeatNo>& seats) const;
  ShowNow* FindShow(int64_t show_id);

  const Timestamp now_;
  const Timestamp forgotten_before_;
  const std::string* traceparent_ = nullptr;
  Overlay<SagaRow, SagaId, &SagaRow::id> sagas_;
  Overlay<BuyerRow, BuyerKey, &BuyerRow::key> buyers_;
  Overlay<SeatRow, SeatKey, &SeatRow::key> seats_;
  std::vector<ShowNow> shows_;
  std::vector<Event> released_;
  Decision decision_;
};

// What the rules of both files are said in.
[[nodiscard]] std::vector<SeatNo> Sorted(std::vector<SeatNo> seats);
[[nodiscard]] bool Contains(const std::vector<SeatNo>& sorted, SeatNo seat_no);
[[nodiscard]] Outcome Of(Outcome::Kind kind);
[[nodiscard]] Outcome Refused(Refusal refusal, std::shared_ptr<const Show> show = nullptr);
[[nodiscard]] Outcome NotOnSale(const ShowNow& show);
// What is wrong with a list of seats before any is looked at.
[[nodiscard]] Refusal CheckSeats(const std::vector<SeatNo>& sorted);
[[nodiscard]] ConflictReason ReasonOf(const SeatRow& row);

}  // namespace boxoffice::seat
