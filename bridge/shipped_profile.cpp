// The shipped profile, put into the program as it is: `globalmart-bridge` runs without any file.
#include "bridge/profile.hpp"

// The assembler reads the file; the build runs in the project's root.
asm(R"(
    .section .rodata
    .global globalmart_shipped_profile_begin
    .global globalmart_shipped_profile_end
globalmart_shipped_profile_begin:
    .incbin "profiles/globalmart.toml"
globalmart_shipped_profile_end:
    .byte 0
    .previous
)");

extern "C" {
extern const char globalmart_shipped_profile_begin[];
extern const char globalmart_shipped_profile_end[];
}

namespace globalmart {

std::string_view Profile::shipped_text() {
  return {globalmart_shipped_profile_begin,
          static_cast<size_t>(globalmart_shipped_profile_end - globalmart_shipped_profile_begin)};
}

}  // namespace globalmart
