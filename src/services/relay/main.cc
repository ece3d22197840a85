// boxoffice-relay: the relay as a process of its own.
#include "platform/module/serve.h"
#include "services/relay/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::relay::Program());
}
