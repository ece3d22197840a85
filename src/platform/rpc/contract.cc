#include "platform/rpc/contract.h"

namespace boxoffice::rpc {

std::string ServiceOf(const google::protobuf::FileDescriptor& contract) {
  const std::string& package = contract.package();
  const size_t begin = package.find('.') + 1;
  return package.substr(begin, package.find('.', begin) - begin);
}

const google::protobuf::MethodDescriptor* MethodTaking(const google::protobuf::Descriptor& request) {
  const google::protobuf::FileDescriptor& file = *request.file();
  for (int s = 0; s < file.service_count(); ++s) {
    for (int m = 0; m < file.service(s)->method_count(); ++m) {
      if (file.service(s)->method(m)->input_type() == &request) return file.service(s)->method(m);
    }
  }
  return nullptr;
}

}  // namespace boxoffice::rpc
