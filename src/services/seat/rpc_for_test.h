// The seat service as its callers see it: the module on a folder of its own, through the in-process channel.
// The fixture of the tests over RPC.
#pragma once

#include <chrono>
#include <initializer_list>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "services/seat/module.h"
#include "testing/service_fixture.h"

namespace boxoffice::seat {

// A plan of equal rows of category A in the section Floor.
inline std::string PlanOf(int rows, int seats) {
  std::string plan =
      R"({"name":"n","categories":[{"name":"A","color":"#f00"}],"zones":[{"name":"Floor","rows":[)";
  for (int row = 1; row <= rows; ++row) {
    plan += fmt::format(R"({}{{"row_number":"{}","seats":[)", row == 1 ? "" : ",", row);
    for (int seat = 1; seat <= seats; ++seat) {
      plan += fmt::format(
          R"({}{{"seat_guid":"{}-{}","seat_number":"{}","position":{{"x":{},"y":{}}},"category":"A"}})",
          seat == 1 ? "" : ",", row, seat, seat, seat, row);
    }
    plan += "]}";
  }
  return plan + "]}]}";
}

class SeatRpcTest
    : public testbed::ServiceFixture<SeatModule, v1::SeatService, v1::CommandBatch, v1::OutcomeBatch> {
 protected:
  using Base = testbed::ServiceFixture<SeatModule, v1::SeatService, v1::CommandBatch, v1::OutcomeBatch>;

  SeatRpcTest() {
    StartModule();
    v1::CreateConcertRequest concert;
    concert.set_operation_key("concert");
    concert.set_title("Title");
    concert_id_ = Call<v1::Concert>(&v1::SeatService::Stub::CreateConcert, concert).id();
    show_id_ = Call<v1::Show>(&v1::SeatService::Stub::CreateShow, ShowRequest("show", PlanOf(2, 4))).id();
  }

  void StartModule() {
    SeatConfig config;
    config.sweep_interval = std::chrono::milliseconds(10);
    Base::StartModule(config);
  }

  template <typename Response, typename Request>
  grpc::Status Try(grpc::Status (v1::SeatService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                 Response*),
                   const Request& request, Response* response) {
    grpc::ClientContext context;
    return (stub_.get()->*method)(&context, request, response);
  }
  template <typename Response, typename Request>
  Response Call(grpc::Status (v1::SeatService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                              Response*),
                const Request& request) {
    Response response;
    const grpc::Status status = Try(method, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  template <typename Response, typename Request>
  Error CallError(grpc::Status (v1::SeatService::Stub::*method)(grpc::ClientContext*, const Request&,
                                                                Response*),
                  const Request& request) {
    Response response;
    const grpc::Status status = Try(method, request, &response);
    EXPECT_FALSE(status.ok());
    return rpc::FromStatus(status);
  }

  v1::CreateShowRequest ShowRequest(const std::string& key, const std::string& plan) {
    v1::CreateShowRequest request;
    request.set_operation_key(key);
    request.set_concert_id(concert_id_);
    request.set_starts_at_ms(ToUnixMs(clock_.Now() + std::chrono::hours(24)));
    request.set_currency("KRW");
    request.set_seating_plan(plan);
    (*request.mutable_prices())["A"] = 1000;
    return request;
  }
  v1::SeatOutcome Run(v1::Command command) { return Base::Run(std::move(command)).seats(); }

  v1::Command HoldOf(const std::string& saga, const std::string& reservation, const std::string& user,
                     std::initializer_list<uint32_t> seats) {
    v1::Command command;
    v1::HoldSeats& hold = *command.mutable_hold();
    hold.set_saga_id(saga);
    hold.set_reservation_id(reservation);
    hold.set_user_id(user);
    hold.set_show_id(show_id_);
    for (const uint32_t seat_no : seats) hold.mutable_seats()->add_seat_nos(seat_no);
    return command;
  }
  v1::Command ConfirmOf(const std::string& saga, const std::string& reservation,
                        std::initializer_list<uint32_t> seats) {
    v1::Command command;
    command.mutable_confirm()->set_saga_id(saga);
    command.mutable_confirm()->set_reservation_id(reservation);
    command.mutable_confirm()->set_show_id(show_id_);
    for (const uint32_t seat_no : seats) command.mutable_confirm()->add_seat_nos(seat_no);
    return command;
  }
  v1::Command ReleaseOf(const std::string& saga, const std::string& reservation) {
    v1::Command command;
    command.mutable_release()->set_saga_id(saga);
    command.mutable_release()->set_reservation_id(reservation);
    command.mutable_release()->set_show_id(show_id_);
    return command;
  }
  v1::SeatMap Map(bool states_only = true) {
    v1::GetSeatMapRequest request;
    request.set_show_id(show_id_);
    request.set_states_only(states_only);
    return Call<v1::SeatMap>(&v1::SeatService::Stub::GetSeatMap, request);
  }

  int64_t concert_id_ = 0;
  int64_t show_id_ = 0;
  std::string saga_ = NewId();
  std::string reservation_ = NewId();
};

}  // namespace boxoffice::seat
