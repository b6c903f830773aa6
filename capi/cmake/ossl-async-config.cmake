# find_package(ossl-async) defines
#
#   ossl-async::ossl-async       the shared library, with the API of 2015
#   ossl-async::static           the static library, with the same API
#   ossl-async::wait-ctx         the shared library, with the API of OpenSSL 1.1.0 and later
#   ossl-async::wait-ctx-static  the static library, with that API
#   ossl-async::standalone       openssl/err.h, besides one of the above, for programs without OpenSSL
#
# In target_link_libraries() they come before OpenSSL::SSL and OpenSSL::Crypto: then this library's
# openssl/async.h comes before OpenSSL's, and its functions answer the program and libssl.

get_filename_component(_ossl_async_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(_ossl_async_include "${_ossl_async_prefix}/include/ossl-async")

# This file lies in share/, which does not tell where the libraries are.
unset(_ossl_async_libdir)
foreach(_ossl_async_candidate IN ITEMS "lib/${CMAKE_LIBRARY_ARCHITECTURE}" lib64 lib)
  if(NOT DEFINED _ossl_async_libdir
     AND EXISTS "${_ossl_async_prefix}/${_ossl_async_candidate}/libossl_async.so")
    set(_ossl_async_libdir "${_ossl_async_prefix}/${_ossl_async_candidate}")
  endif()
endforeach()

if(NOT DEFINED _ossl_async_libdir)
  set(ossl-async_FOUND FALSE)
  set(ossl-async_NOT_FOUND_MESSAGE
      "no libossl_async.so in lib/${CMAKE_LIBRARY_ARCHITECTURE}, lib64 or lib of ${_ossl_async_prefix}")
elseif(NOT TARGET ossl-async::ossl-async)
  # Libraries, not interfaces of one: CMake puts what an interface stands for behind OpenSSL.
  foreach(_ossl_async_target IN ITEMS ossl-async wait-ctx)
    add_library(ossl-async::${_ossl_async_target} SHARED IMPORTED)
    set_target_properties(ossl-async::${_ossl_async_target} PROPERTIES
      IMPORTED_LOCATION "${_ossl_async_libdir}/libossl_async.so"
      INTERFACE_INCLUDE_DIRECTORIES "${_ossl_async_include}")
  endforeach()
  foreach(_ossl_async_target IN ITEMS static wait-ctx-static)
    add_library(ossl-async::${_ossl_async_target} STATIC IMPORTED)
    set_target_properties(ossl-async::${_ossl_async_target} PROPERTIES
      IMPORTED_LOCATION "${_ossl_async_libdir}/libossl_async.a"
      INTERFACE_INCLUDE_DIRECTORIES "${_ossl_async_include}"
      INTERFACE_LINK_LIBRARIES "pthread;dl")
  endforeach()
  set_property(TARGET ossl-async::wait-ctx ossl-async::wait-ctx-static
    PROPERTY INTERFACE_COMPILE_DEFINITIONS OSSL_ASYNC_WAIT_CTX_API)
  add_library(ossl-async::standalone INTERFACE IMPORTED)
  set_target_properties(ossl-async::standalone PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${_ossl_async_include}/standalone")
endif()
