using EhrGrains.Contracts.Callers;

namespace EhrGrains.Contracts.Client;

/// <summary>Sends the app's access token along with each call of this client.</summary>
internal sealed class AccessTokenFilter(Func<CancellationToken, ValueTask<string>> accessToken) : IOutgoingGrainCallFilter
{
    public async Task Invoke(IOutgoingGrainCallContext context)
    {
        // The request context is asynchronous-local: what is set here is sent with this call and is gone after it.
        RequestContext.Set(CallContext.AccessToken, await accessToken(CancellationToken.None));
        await context.Invoke();
    }
}
