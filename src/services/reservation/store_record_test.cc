#include "services/reservation/store_record.h"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

namespace boxoffice::reservation {
namespace {

constexpr int kLater = 1'000;  // a field number of a version to come

void AddLaterField(uint64_t value, google::protobuf::Message& message) {
  message.GetReflection()->MutableUnknownFields(&message)->AddVarint(kLater, value);
}
uint64_t LaterField(const google::protobuf::Message& message) {
  const auto& unknown = message.GetReflection()->GetUnknownFields(message);
  return unknown.field_count() == 1 && unknown.field(0).number() == kLater ? unknown.field(0).varint() : 0;
}

// While two versions run side by side, a replica of the one before answers and writes what the later one
// made.
TEST(StoreRecord, WhatALaterVersionHasStoredIsToldAndWrittenBackAsItWasRead) {
  Reservation plain;
  plain.user_id = "mina";
  v1::Record made;
  ASSERT_TRUE(made.ParseFromString(Encode(plain)));
  AddLaterField(1, made);
  AddLaterField(2, *made.mutable_reservation());
  AddLaterField(3, *made.mutable_reservation()->mutable_saga());

  auto read = Decode(made.SerializeAsString());
  ASSERT_TRUE(read.has_value());
  read->state = State::kConfirmed;
  const v1::Reservation told = ToProto(*read);
  EXPECT_EQ(LaterField(told), 2);
  EXPECT_EQ(LaterField(told.saga()), 3);
  v1::Record written;
  ASSERT_TRUE(written.ParseFromString(Encode(*read)));
  EXPECT_EQ(written.reservation().state(), v1::CONFIRMED);
  EXPECT_EQ(LaterField(written), 1);
  EXPECT_EQ(LaterField(written.reservation()), 2);
  EXPECT_EQ(LaterField(written.reservation().saga()), 3);
}

// Or a replica of the release before, to which the saga's own is unknown, would tell a deadline that it has
// moved since.
TEST(StoreRecord, TheDeadlineIsToldAndStoredOnceInTheRecord) {
  Reservation reservation;
  reservation.saga.deadline = FromUnixMs(1'800'000'060'000);
  v1::Record made;
  ASSERT_TRUE(made.ParseFromString(Encode(reservation)));
  EXPECT_EQ(made.deadline_ms(), 1'800'000'060'000);
  EXPECT_EQ(made.reservation().saga().deadline_ms(), 0);
  const auto read = Decode(Encode(reservation));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(ToProto(*read).saga().deadline_ms(), 1'800'000'060'000);
}

}  // namespace
}  // namespace boxoffice::reservation
