using EhrGrains.Grains.Callers;

namespace EhrGrains.Silo.Gateway;

/// <summary>Makes the grain calls of an endpoint calls of the app whose token the request carries.</summary>
internal sealed class InTheCallersName(CallerTickets tickets) : IEndpointFilter
{
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        using var scope = tickets.Enter(context.HttpContext.Features.Get<Caller>()!);
        return await next(context);
    }
}
