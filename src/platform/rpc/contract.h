// What a contract's descriptors say of it.
#pragma once

#include <string>

#include <google/protobuf/descriptor.h>

namespace boxoffice::rpc {

// Whose contract this is: "wallet", of boxoffice.wallet.v1.
[[nodiscard]] std::string ServiceOf(const google::protobuf::FileDescriptor& contract);

// The method that takes such a request; null: none does.
[[nodiscard]] const google::protobuf::MethodDescriptor* MethodTaking(
    const google::protobuf::Descriptor& request);

}  // namespace boxoffice::rpc
