/* docs/examples/hello.c -- put a key and read it back with libetcdclient.
 *
 *   cc hello.c -o hello $(pkg-config --cflags --libs etcdclient) && ./hello 127.0.0.1:2379
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <etcdclient/etcdclient.h>

int main(int argc, char **argv)
{
    const char *endpoints[] = {argc > 1 ? argv[1] : "127.0.0.1:2379"};
    struct etcd_client_config config = {.endpoints = endpoints, .n_endpoints = 1};
    struct etcd_error error;
    struct etcd_client *client = etcd_client_new(&config, &error);
    Etcdserverpb__PutRequest put = ETCDSERVERPB__PUT_REQUEST__INIT;
    Etcdserverpb__RangeRequest get = ETCDSERVERPB__RANGE_REQUEST__INIT;
    Etcdserverpb__RangeResponse *found = NULL;

    put.key.data = get.key.data = (uint8_t *)"hello";
    put.key.len = get.key.len = strlen("hello");
    put.value.data = (uint8_t *)"world";
    put.value.len = strlen("world");
    void *done = client != NULL ? etcd_call(client, &etcd_rpc_put, &put, 0, &error) : NULL;
    if (done != NULL)
        found = etcd_call(client, &etcd_rpc_range, &get, 0, &error);
    if (found != NULL && found->n_kvs == 1)
        printf("%.*s at revision %lld\n", (int)found->kvs[0]->value.len,
               (const char *)found->kvs[0]->value.data, (long long)found->header->revision);
    else
        fprintf(stderr, "hello: %s\n", error.text);
    int rc = found != NULL ? 0 : 1;
    etcd_response_free(found);
    etcd_response_free(done);
    etcd_client_free(client);
    return rc;
}
