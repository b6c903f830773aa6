# Until 1.0 a version fits a program that was made for the same MINOR, then one for the same MAJOR.
set(PACKAGE_VERSION 0.1.0)

string(REGEX MATCH "^(0\\.[0-9]+|[1-9][0-9]*)" _ossl_async_abi "${PACKAGE_VERSION}")
string(REGEX MATCH "^(0\\.[0-9]+|[0-9]+)" _ossl_async_wanted "${PACKAGE_FIND_VERSION}")
if(NOT PACKAGE_FIND_VERSION VERSION_GREATER PACKAGE_VERSION
   AND _ossl_async_wanted STREQUAL _ossl_async_abi)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_FIND_VERSION VERSION_EQUAL PACKAGE_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
