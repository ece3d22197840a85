// Queries and operators' requests to a service with any number of replicas: a stub that leads to another
// replica at each call.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <google/protobuf/descriptor.h>

#include "platform/rpc/contract.h"
#include "platform/rpc/peer.h"
#include "platform/rpc/rpc_span.h"
#include "platform/rpc/unary.h"

namespace boxoffice::rpc {

// Where a Stubs tells an Ask which replica it has chosen, and what keeps the calls that are under way. One
// for the stubs that one thread uses; destroyed after that thread has ended, and before its executor.
class PickSlot {
 public:
  struct Chosen {
    std::shared_ptr<Peer> peer;  // null: the call was made without one of the stubs
    Result<Pick> pick = Fail(Code::kInternal, "no_stub", "the call used no stub");
  };
  void Put(std::shared_ptr<Peer> peer, Result<Pick> pick) { chosen_ = {std::move(peer), std::move(pick)}; }
  // What was put since the last Take.
  [[nodiscard]] Chosen Take() { return std::exchange(chosen_, Chosen()); }
  [[nodiscard]] OpenCalls& calls() { return calls_; }
  // The name of the peer that was put; "": none was.
  [[nodiscard]] std::string peer_name() const {
    return chosen_.peer == nullptr ? std::string() : chosen_.peer->options().name;
  }

 private:
  Chosen chosen_;
  OpenCalls calls_;
};

// Use it on one thread, in the `start` of an Ask with the same slot:
//   Stubs<seat::v1::SeatService::Stub> seat(peer, slot, &seat::v1::SeatService::NewStub);
//   seat->async()->GetShow(context, request, response, done);
template <typename Stub>
class Stubs {
 public:
  template <typename NewStub>
  Stubs(std::shared_ptr<Peer> peer, PickSlot& slot, NewStub new_stub)
      : peer_(std::move(peer)), slot_(slot), new_stub_([new_stub](std::shared_ptr<grpc::Channel> channel) {
          return new_stub(std::move(channel), grpc::StubOptions());
        }) {}

  // The stub of the next replica; if none can be tried, one whose calls fail at once.
  Stub* operator->() const {
    Result<Pick> pick = peer_->PickForQuery();
    const std::shared_ptr<Replica> replica = pick ? pick->replica() : nullptr;
    slot_.Put(peer_, std::move(pick));
    return Of(replica);
  }

 private:
  struct Known {
    std::weak_ptr<Replica> replica;
    std::unique_ptr<Stub> stub;
  };

  Stub* Of(const std::shared_ptr<Replica>& replica) const {
    const auto [entry, added] = stubs_.try_emplace(replica.get());
    Known& known = entry->second;
    if (known.stub == nullptr || known.replica.lock() != replica) {
      std::erase_if(stubs_, [&](const auto& other) {  // replicas that have gone
        return other.first != nullptr && other.first != replica.get() && other.second.replica.expired();
      });
      known.replica = replica;
      known.stub = new_stub_(replica != nullptr ? replica->query_channel : NoChannel());
    }
    return known.stub.get();
  }

  const std::shared_ptr<Peer> peer_;
  PickSlot& slot_;
  const std::function<std::unique_ptr<Stub>(std::shared_ptr<grpc::Channel>)> new_stub_;
  mutable std::map<const Replica*, Known> stubs_;
};

// Whether a request changes nothing, so that it may be repeated: its method says NO_SIDE_EFFECTS in the
// contract.
template <typename Request>
[[nodiscard]] bool IsQuery() {
  static const bool is_query = [] {
    const auto* method = MethodTaking(*Request::descriptor());
    return method != nullptr &&
           method->options().idempotency_level() == google::protobuf::MethodOptions::NO_SIDE_EFFECTS;
  }();
  return is_query;
}

// "boxoffice.seat.v1.SeatService/GetShow"
template <typename Request>
[[nodiscard]] const std::string& MethodName() {
  static const std::string name = [] {
    const auto* method = MethodTaking(*Request::descriptor());
    return method != nullptr ? std::string(method->service()->full_name()) + "/" + std::string(method->name())
                             : std::string("unknown");
  }();
  return name;
}

inline constexpr int kMaxQueryTries = 3;
inline constexpr std::chrono::milliseconds kFirstQueryPause{50};  // doubles; full jitter

// As Ask has it, without a span.
template <typename Response, typename Request, typename Start>
asio::awaitable<Result<Response>> AskUntraced(asio::any_io_executor executor, PickSlot& slot, Request request,
                                              std::chrono::milliseconds timeout, Start start,
                                              std::string traceparent) {
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + timeout;
  std::chrono::milliseconds pause = kFirstQueryPause;
  std::chrono::milliseconds left = timeout;
  asio::steady_timer timer(executor);
  int tries = 0;
  while (true) {
    const auto began = steady_clock::now();
    PickSlot::Chosen chosen;
    auto starting = [&](auto... arguments) {
      start(arguments...);
      chosen = slot.Take();
    };
    Result<Response> answer =
        co_await Call<Response>(executor, slot.calls(), request, left, starting, traceparent);
    Result<Pick>& pick = chosen.pick;
    if (!pick) {
      left =
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now()) - kLookEvery;
      if (chosen.peer == nullptr || left.count() <= 0 || !chosen.peer->MayWait(pick.error()))
        co_return std::unexpected(std::move(pick).error());
      timer.expires_after(kLookEvery);
      co_await timer.async_wait(asio::use_awaitable);
      continue;
    }
    pick->MayTake(timeout);
    if (++tries == 1) chosen.peer->CountCall();
    chosen.peer->NoteCall(MethodName<Request>(), answer ? "ok" : CodeName(answer.error().code),
                          steady_clock::now() - began);
    const bool lost = !answer && answer.error().reason == "connection_lost";
    if (lost) pick->replica()->MarkFailed();
    // An operator's request says nothing of what all replicas know: only one of them may do it.
    if (!answer && IsQuery<Request>() && AnotherMayDoIt(answer.error()))
      pick->replica()->MarkRefusing(/*command=*/false);
    if (answer) {
      pick->Report(resilience::Breaker::Outcome::kAnswered);
    } else {
      pick->ReportError(answer.error());
    }
    if (!lost || tries == kMaxQueryTries || !IsQuery<Request>()) co_return answer;
    const std::chrono::milliseconds wait = chosen.peer->Jitter(pause);
    left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now()) - wait;
    if (left.count() <= 0 || !chosen.peer->TakeRetry()) co_return answer;
    timer.expires_after(wait);
    co_await timer.async_wait(asio::use_awaitable);
    pause *= 2;
  }
}

// The same as a span of a sampled trace.
template <typename Response, typename Request, typename Start>
asio::awaitable<Result<Response>> AskTraced(asio::any_io_executor executor, PickSlot& slot, Request request,
                                            std::chrono::milliseconds timeout, Start start,
                                            std::string traceparent) {
  std::string peer;
  auto starting = [&](auto... arguments) {
    start(arguments...);
    if (peer.empty()) peer = slot.peer_name();
  };
  const ClientSpan span(traceparent, *Request::descriptor(), /*body=*/0);
  if (span) traceparent = span.traceparent();
  Result<Response> answer =
      co_await AskUntraced<Response>(executor, slot, request, timeout, starting, traceparent);
  span.End(peer, answer ? nullptr : &answer.error());
  co_return answer;
}

// Calls `start(context, request, response, done)`, as rpc::Call does, where it uses a Stubs with `slot`. A
// query whose connection broke is asked again, of another replica where there is one, within `timeout` and
// the peer's budget. Where none is reachable for a moment, a call waits for one (Peer::MayWait). Errors: as
// the server gave them; timeout, connection_lost (kUnknown); breaker_open, unreachable, no_replica
// (kUnavailable): it was not sent.
template <typename Response, typename Request, typename Start>
asio::awaitable<Result<Response>> Ask(asio::any_io_executor executor, PickSlot& slot, Request request,
                                      std::chrono::milliseconds timeout, Start start,
                                      std::string traceparent = {}) {
  if (obs::TracingOn() && obs::IsSampled(traceparent)) [[unlikely]] {
    return AskTraced<Response>(std::move(executor), slot, std::move(request), timeout, std::move(start),
                               std::move(traceparent));
  }
  return AskUntraced<Response>(std::move(executor), slot, std::move(request), timeout, std::move(start),
                               std::move(traceparent));
}

}  // namespace boxoffice::rpc
